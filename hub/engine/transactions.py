"""Jobs that run in a database's transaction: their writes and their result are committed together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hub.engine.context import Context


def in_transaction(database: str, call: Callable[[Any, Context], Any], input: Any, context: Context) -> Any:
    """What a plain `call` gives. Nothing is called when an earlier try has committed."""
    with context.database(database).transaction() as transaction:
        context.enter(transaction)
        return transaction.result(call(input, context))


async def in_async_transaction(
    database: str, call: Callable[[Any, Context], Awaitable[Any]], input: Any, context: Context
) -> Any:
    """The same for an async one."""
    async with context.database(database).transaction() as transaction:
        context.enter(transaction)
        return transaction.result(await call(input, context))
