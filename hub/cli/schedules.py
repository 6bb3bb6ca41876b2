"""`hub schedule`: when schedules are next due."""

from __future__ import annotations

import click

from hub.cli.printing import show
from hub.cli.session import command, json_option, opened, project_option
from hub.model.clock import iso


@click.group()
def schedule() -> None:
    """When schedules are next due."""


@schedule.command("next")
@click.argument("name")
@click.option("-n", "--count", default=10, show_default=True, type=click.IntRange(1, 1000))
@json_option
@project_option
@command
async def next_slots(name: str, count: int, as_json: bool) -> None:
    """The next instants of a schedule, with the nights of a clock change."""
    async with opened() as parts:
        rows = [
            {"at": iso(one.at), "local": one.local, "note": one.note} for one in parts.client.next_slots(name, count)
        ]
        show(rows, as_json=as_json, columns=("at", "local", "note"), empty="it never comes again")
