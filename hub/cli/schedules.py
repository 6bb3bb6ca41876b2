"""`hub schedule`: when schedules are next due, and what became of past slots."""

from __future__ import annotations

import click

from hub.cli.asking import listed
from hub.cli.desk import desk
from hub.cli.options import instant
from hub.cli.printing import show
from hub.cli.session import command, json_option, project_option
from hub.model.clock import iso


@click.group()
def schedule() -> None:
    """When schedules are next due, and what became of past slots."""


@schedule.command("next")
@click.argument("name")
@click.option("-n", "--count", default=10, show_default=True, type=click.IntRange(1, 1000))
@click.option("--after", metavar="TIME", help="Those behind this ISO 8601 instant, in place of now.")
@json_option
@project_option
@command
async def next_slots(name: str, count: int, after: str | None, as_json: bool) -> None:
    """The next instants of a schedule, with the nights of a clock change."""
    moment = None if after is None else iso(instant(after, "--after"))
    async with desk() as here:
        rows = (await here.ask("nextSlots", name=name, count=count, after=moment))["items"]
        show(rows, as_json=as_json, columns=("at", "local", "note"), empty="it never comes again")


@schedule.command("slots")
@click.argument("name")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@project_option
@command
async def past_slots(name: str, limit: int, as_json: bool) -> None:
    """Every due moment that there was of a schedule and what became of it, newest first."""
    async with desk() as here:
        rows = await listed(here, "listSlots", limit, name=name)
        if not as_json:
            rows = [{**row, "outcome": row["outcome"] or "started"} for row in rows]
        show(rows, as_json=as_json, columns=("at", "outcome", "reason", "event_id"), empty="none yet")
