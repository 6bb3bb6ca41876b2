"""Who is at the other end: the connection's own address, or the one that a trusted proxy names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.triggers.webhook.endpoint import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def peer_address(scope: Mapping[str, Any], trusted: Sequence[Network]) -> Address | None:
    """The sender's address; None when it is not known.

    X-Forwarded-For is read from its right end, only as long as the one who wrote it is a trusted proxy.
    """
    client = scope.get("client")
    here = _address(client[0]) if client else None
    if here is None or not _within(here, trusted):
        return here
    hops = [
        part.strip()
        for name, value in scope["headers"]
        if name == b"x-forwarded-for"
        for part in value.decode("latin-1").split(",")
    ]
    for hop in reversed(hops):
        there = _address(_without_port(hop))
        if there is None or not _within(there, trusted):
            return there
        here = there
    return here


def may_send(address: Address | None, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks; containment, never a comparison of texts."""
    return not networks or (address is not None and _within(address, networks))


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


_WITH_PORT = re.compile(r"(?:([0-9.]+)|\[([^\]]*)\])(?::[0-9]{1,5})?")


def _without_port(hop: str) -> str:
    """Some proxies write the sender's port too (192.0.2.7:51234), and IPv6 in brackets (RFC 7239, section 6)."""
    found = _WITH_PORT.fullmatch(hop)
    return hop if found is None else found[1] or found[2]


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
