"""`hub webhook rejected|verify|release`: deliveries that were turned away, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from hub.cli.asking import Desk, listed
from hub.cli.desk import desk
from hub.cli.printing import note, print_json, print_table, show
from hub.cli.session import FAILED, command, json_option, project_option
from hub.model.errors import BadInput

#: More than are kept of one executor.
_ALL = 10_000
_COLUMNS = ("id", "executor", "received_at", "step", "reason")


@click.command("rejected")
@click.argument("name", metavar="[EXECUTOR]", required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@project_option
@command
async def rejected(name: str | None, limit: int, as_json: bool) -> None:
    """Deliveries that were turned away, newest first, each with the step that failed."""
    async with desk() as here:
        rows = await listed(here, "listRefusedDeliveries", limit, executor=name)
        if name is not None and not rows:  # what an executor that is gone has turned away is there
            await here.ask("getExecutor", name=name)
        show(
            rows if as_json else [_told(row) for row in rows],
            as_json=as_json,
            columns=_COLUMNS,
            empty="nothing was refused",
        )


def _told(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is not kept whole can only be looked at."""
    return row if row["whole"] else {**row, "reason": f"{row['reason']} (not kept whole: have it sent again)"}


@click.command("verify")
@click.argument("identifier", metavar="ID", type=int)
@json_option
@project_option
@command
async def verify(identifier: int, as_json: bool) -> int:
    """Check a refused delivery again, with the files and secrets as they are now, at the time when it came."""
    async with desk() as here:
        checked = await here.ask("verifyRefusedDelivery", id=identifier)
        if as_json:
            print_json(checked)
        else:
            steps = [
                {"step": step["step"], "holds": "yes" if step["ok"] else "NO", "why": step["detail"]}
                for step in checked["steps"]
            ]
            print_table(steps, ("step", "holds", "why"), "nothing to check")
            if checked["ok"]:
                note(f"it would be accepted now: `hub webhook release {identifier}` makes it an event.")
        return 0 if checked["ok"] else FAILED


@click.command("release")
@click.argument("which", metavar="ID | --all EXECUTOR")
@click.option("--all", "everything", is_flag=True, help="Every refused delivery of this executor, in order of arrival.")
@json_option
@project_option
@command
async def release(which: str, everything: bool, as_json: bool) -> int:
    """Make refused deliveries events, in the order in which they came, where they hold now."""
    async with desk() as here:
        if everything:
            await here.ask("getExecutor", name=which)
            ids = [one["id"] for one in reversed(await listed(here, "listRefusedDeliveries", _ALL, executor=which))]
        elif which.isascii() and which.isdigit():
            ids = [int(which)]
        else:
            raise BadInput(f'"{which}" is no number of a refused delivery; for all of an executor write --all {which}.')
        rows = [await _released(here, identifier) for identifier in ids]
        show(rows, as_json=as_json, columns=("id", "released", "event_id", "duplicate", "reason"), empty="none is kept")
        return 0 if all(row["released"] for row in rows) else FAILED


async def _released(here: Desk, identifier: int) -> dict[str, Any]:
    """One that does not hold now stays, and says why."""
    row = {"id": identifier, "released": False, "event_id": None, "duplicate": False, "reason": ""}
    checked = await here.ask("verifyRefusedDelivery", id=identifier)
    if not checked["ok"]:
        return {**row, "reason": checked["steps"][-1]["detail"]}
    return {**row, "released": True, **await here.ask("releaseRefusedDelivery", id=identifier)}
