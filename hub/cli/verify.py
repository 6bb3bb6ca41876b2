"""`hub verify`: whether the books balance."""

from __future__ import annotations

import click

from hub.cli.printing import note, print_json, show
from hub.cli.session import FAILED, command, json_option, opened, project_option
from hub.model.counted import counted

_COLUMNS = ("kind", "object", "reason")


@click.command()
@json_option
@project_option
@command
async def verify(as_json: bool) -> int:
    """Read the whole store: is it sound, is everything there that was accepted, will all of it go on? Exit 1 if not.

    With or without a running server. It reads everything, so it takes its time in a large store.
    """
    from hub.views.installation import books_view

    async with opened() as parts:
        since = parts.clock.now() - parts.config.retention.executions
        books = await parts.client.check_books(since)
        view = books_view(books)
        if as_json:
            print_json(view)
        else:
            told = ", ".join(f"{count} {status}" for status, count in sorted(books.executions.items())) or "none"
            note(f"{counted(books.events, 'event')}; executions: {told}")
            if not books.served:
                note("no process serves this hub, so nothing is counted as overdue")
            show(view["findings"], as_json=False, columns=_COLUMNS, empty="the books balance")
        return 0 if books.ok else FAILED
