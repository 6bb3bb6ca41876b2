"""What has to hold of a PostgreSQL server, so that what it acknowledged is kept."""

from __future__ import annotations

from hub.store.dialects.postgres_link import Link

_NEEDED = {
    "fsync": "a power failure can damage the database",
    "full_page_writes": "a power failure can damage the database",
    "synchronous_commit": "a power failure loses acknowledged commits",
}


def dangers(link: Link) -> list[str]:
    """A sentence for each thing that is not as it should be."""
    found = []
    for name, harm in _NEEDED.items():
        if link.simple(f"SHOW {name}")[0][0] == "off":
            found.append(f"the server runs with {name} = off: {harm}. Set {name} = on in postgresql.conf.")
    if link.simple("SELECT pg_is_in_recovery()")[0][0] == "t":
        found.append("the server is a standby, which cannot be written: give the address of the primary.")
    # A pooler answers with a number of its own, and hands each transaction to whatever session is free.
    if link.simple("SELECT pg_backend_pid()")[0][0] != str(link.backend):
        found.append(
            "a connection pooler is in between, and may hand each transaction to another session: connect to the server itself."
        )
    encoding = link.simple("SHOW server_encoding")[0][0]
    if encoding != "UTF8":
        found.append(
            f"the database's encoding is {encoding}, which cannot hold every text: create it with ENCODING 'UTF8'."
        )
    return found
