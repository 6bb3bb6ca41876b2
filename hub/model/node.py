"""The processes that serve a hub."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A process that serves, as the store knows it."""

    id: str
    host: str
    pid: int
    #: Milliseconds since 1970 UTC, as the next one.
    started_at: int
    #: Until when it has said that it is there; it is gone when that has passed.
    lease_until: int
    #: Of the executors and workflows that it has loaded; "": it has none of its own.
    revision: str
    #: Where it listens; "": nowhere.
    address: str
    #: Whether its lease held when it was asked for. One that is silent has died, stands still, or does not reach the database.
    alive: bool


def address_of(host: str, port: int) -> str:
    """What is listened on there: `http://127.0.0.1:8700`."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
