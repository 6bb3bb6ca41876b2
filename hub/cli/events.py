"""`hub event`: what was noticed, and what became of it."""

from __future__ import annotations

import click

from hub.cli.asking import listed
from hub.cli.desk import desk
from hub.cli.options import since_moment
from hub.cli.printing import print_fields, print_json, print_table, show
from hub.cli.session import FAILED, command, json_option, project_option
from hub.model.clock import SystemClock, iso
from hub.model.event import Outcome

_DELIVERIES = ("executor", "outcome", "reason", "execution_id")


@click.group()
def event() -> None:
    """What was noticed, and what became of it."""


@event.command("list")
@click.option("--executor", help="Only those that this executor met.")
@click.option("--outcome", type=click.Choice([one.value for one in Outcome], case_sensitive=False))
@click.option("--since", metavar="TIME", help="A duration (`2h`) or an ISO 8601 instant.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@project_option
@command
async def list_events(executor: str | None, outcome: str | None, since: str | None, limit: int, as_json: bool) -> None:
    """Events, newest first, each with its outcomes."""
    after = None if since is None else iso(since_moment(since, SystemClock()))
    async with desk() as here:
        rows = await listed(here, "listEvents", limit, executor=executor, outcome=outcome, since=after)
        if as_json:
            print_json(rows)
            return
        flat = [
            {**row, "became": ", ".join(f"{one['executor']}: {one['outcome']}" for one in row["deliveries"]) or "-"}
            for row in rows
        ]
        empty = "no such events" if executor or outcome or since else "no events yet"
        print_table(flat, ("id", "type", "source", "received_at", "became"), empty)


@event.command("show")
@click.argument("event_id", metavar="ID")
@json_option
@project_option
@command
async def show_event(event_id: str, as_json: bool) -> None:
    """One event and each delivery with its outcome."""
    async with desk() as here:
        view = await here.ask("getEvent", id=event_id)
        if as_json:
            print_json(view)
            return
        deliveries = view.pop("deliveries")
        print_fields(view)
        print_table(deliveries, _DELIVERIES, "no executor was concerned")


@event.command("replay")
@click.argument("event_id", metavar="ID")
@click.option("--executor", "executors", multiple=True, help="Only at this executor.")
@click.option("-k", "--idempotency-key", help="The same key again starts nothing more.")
@json_option
@project_option
@command
async def replay(event_id: str, executors: tuple[str, ...], idempotency_key: str | None, as_json: bool) -> int:
    """Hold an event against its executors again, as the files are now."""
    async with desk() as here:
        asked = {"executors": list(executors) or None, "idempotency_key": idempotency_key}
        rows = (await here.ask("replayEvent", id=event_id, **asked))["items"]
        show(rows, as_json=as_json, columns=("id", *_DELIVERIES), empty="no executor is concerned")
        return 0 if all(one["outcome"] != Outcome.FAILED.value for one in rows) else FAILED
