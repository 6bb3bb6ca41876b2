"""Who can reach the hub: by default only this machine; others only when somebody decides who is let in."""

from __future__ import annotations

import ipaddress
import socket

from hub.assembly.parts import Parts
from hub.model.counted import counted
from hub.model.errors import Conflict

_HERE = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether nothing but this machine reaches an address or name that is listened on."""
    if not host:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(text.partition("%")[0]).is_loopback for text in found)


async def exposed(parts: Parts, host: str) -> str | None:
    """What others can reach once the hub listens at `host`, in a sentence; None: nothing.

    Raises Conflict when nobody can sign in: whoever came first could claim the hub.
    """
    if is_loopback(host):
        return None
    if not await parts.store.people():
        raise Conflict(
            f"the hub does not listen at {host}, which other machines reach, before somebody can sign in. Either start it with "
            f"--host {_HERE} and open the address that it prints, or run `hub person add NAME --role admin`, which prints one too."
        )
    webhooks = counted(len(parts.files.endpoints), "webhook")
    return (
        f"other machines can reach {host}: {webhooks} (each verified as its file says), the API and "
        "the console (with a token or a sign-in), and whether the hub is alive and ready"
    )
