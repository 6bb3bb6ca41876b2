"""Jobs that run in a database's transaction: their writes and their result are committed together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.engine.context import Context


def in_transaction(
    database: str, is_async: bool, call: Callable[[Any, Context], Any], input: Any, context: Context
) -> Any:
    """What `call` gives, or a coroutine of that. Nothing is called when an earlier try has committed."""
    return (_async if is_async else _plain)(database, call, input, context)


def _plain(database: str, call: Callable[[Any, Context], Any], input: Any, context: Context) -> Any:
    with context.database(database).transaction() as transaction:
        context.enter(transaction)
        return transaction.result(call(input, context))


async def _async(database: str, call: Callable[[Any, Context], Any], input: Any, context: Context) -> Any:
    async with context.database(database).transaction() as transaction:
        context.enter(transaction)
        return transaction.result(await call(input, context))
