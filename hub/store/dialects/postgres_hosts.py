"""Several servers behind one address, of which one is the primary: `postgresql://one,two:5433/db?target_session_attrs=read-write`.

See https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
"""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict, make_conninfo


def hosts_of(url: str) -> list[str]:
    """An address for each host, in their order."""
    given = conninfo_to_dict(url)
    hosts, ports = (str(given.get(name) or "").split(",") for name in ("host", "port"))
    if len(hosts) == 1 or given.get("hostaddr"):
        return [url]
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [
        make_conninfo("", **{**given, "host": host, "port": port or None})
        for host, port in zip(hosts, ports, strict=False)
    ]
