"""`hub schedule`: when schedules are next due."""

from __future__ import annotations

import click

from hub.cli.desk import desk
from hub.cli.printing import show
from hub.cli.session import command, json_option, project_option


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
    async with desk() as here:
        rows = (await here.ask("nextSlots", name=name, count=count))["items"]
        show(rows, as_json=as_json, columns=("at", "local", "note"), empty="it never comes again")
