"""How commands ask: they name an operation of the API and print its answer, wherever that comes from.

On the project's own store its handler is called on the spot; of a hub elsewhere a request is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from hub.api.operations import Operation
from hub.api.paging import MOST
from hub.api.resources import OPERATIONS

#: Told of each line that a job writes.
Tell = Callable[[dict[str, Any]], None]

BY_ID = {operation.id: operation for operation in OPERATIONS}


class Desk(Protocol):
    """Answers what the API answers."""

    async def ask(self, operation: str, **arguments: Any) -> Any:
        """The JSON value of an operation, by its id. Arguments are those of its path, its query and its body's members.

        None stands for one that is not given, where it may be left out. Raises HubError.
        """
        ...

    async def wait(self, execution_id: str, *, seconds: float | None, poll: float, tell: Tell | None) -> dict[str, Any]:
        """The execution when it has ended. Raises TimeoutError, which says what becomes of it, or HubError."""
        ...

    def acting_as(self, name: str, namespace: str | None) -> Desk:
        """The same desk, asked by a machine user. Raises HubError."""
        ...


async def listed(asked: Desk, operation: str, limit: int, **filters: Any) -> list[Any]:
    """So many of a list, newest first, however many pages that takes."""
    found: list[Any] = []
    cursor = None
    while True:
        page = await asked.ask(operation, limit=min(limit - len(found), MOST), cursor=cursor, **filters)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None or len(found) >= limit:
            return found


def sorted_out(operation: Operation, arguments: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any], Any]:
    """Path, query and body of an operation's arguments."""
    needed = () if operation.body is None else operation.body.get("required", ())
    given = {name: value for name, value in arguments.items() if value is not None or name in needed}
    path = {name: str(given.pop(name)) for name in operation.in_path}
    query = {one.name: given.pop(one.name) for one in operation.query if one.name in given}
    return path, query, None if operation.body is None else given
