"""`hub webhook rejected|verify|release`: deliveries that were turned away, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hub.cli.desk import desk, listed
from hub.cli.printing import note, print_json, print_table, show
from hub.cli.session import FAILED, command, json_option, opened, project_option
from hub.model.errors import BadInput, NotFound

if TYPE_CHECKING:
    from hub.assembly.parts import Parts
    from hub.assembly.releasing import Checked

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
        if name is not None:
            await here.ask("getExecutor", name=name)
        rows = await listed(here, "listRefusedDeliveries", limit, executor=name)
        show(rows, as_json=as_json, columns=_COLUMNS, empty="nothing was refused")


@click.command("verify")
@click.argument("identifier", metavar="ID", type=int)
@json_option
@project_option
@command
async def verify(identifier: int, as_json: bool) -> int:
    """Check a refused delivery again, with the files and secrets as they are now, at the time when it came."""
    async with opened() as parts:
        checked = await _checked(parts, identifier)
        if as_json:
            print_json(_checked_view(checked))
        else:
            steps = [
                {"step": step.name, "holds": "yes" if step.ok else "NO", "why": step.detail} for step in checked.steps
            ]
            print_table(steps, ("step", "holds", "why"), "nothing to check")
            if checked.ok:
                note(f"it would be accepted now: `hub webhook release {identifier}` makes it an event.")
        return 0 if checked.ok else FAILED


@click.command("release")
@click.argument("which", metavar="ID | --all EXECUTOR")
@click.option("--all", "everything", is_flag=True, help="Every refused delivery of this executor, in order of arrival.")
@json_option
@project_option
@command
async def release(which: str, everything: bool, as_json: bool) -> int:
    """Make refused deliveries events, in the order in which they came, where they hold now."""
    from hub.assembly.releasing import release_one

    async with opened() as parts:
        if everything:
            parts.client.executor(which)
            ids = [one.id for one in reversed(await parts.store.refused(which, 10_000))]
        elif which.isascii() and which.isdigit():
            ids = [int(which)]
        else:
            raise BadInput(f'"{which}" is no number of a refused delivery; for all of an executor write --all {which}.')
        rows: list[dict[str, Any]] = []
        for identifier in ids:
            checked = await _checked(parts, identifier)
            stored = await release_one(parts, checked) if checked.ok else None
            rows.append(
                {
                    "id": identifier,
                    "released": stored is not None,
                    "event_id": None if stored is None else stored.id,
                    "duplicate": stored is not None and stored.duplicate,
                    "reason": "" if checked.ok else checked.steps[-1].detail,
                }
            )
        while await parts.dispatcher.run_once():
            pass
        show(rows, as_json=as_json, columns=("id", "released", "event_id", "duplicate", "reason"), empty="none is kept")
        return 0 if all(row["released"] for row in rows) else FAILED


async def _checked(parts: Parts, identifier: int) -> Checked:
    from hub.assembly.releasing import check

    found = await parts.store.refused_one(identifier)
    if found is None:
        raise NotFound("refused delivery", str(identifier))
    return await check(parts, found)


def _checked_view(checked: Checked) -> dict[str, Any]:
    return {
        "id": checked.refused.id,
        "executor": checked.refused.executor,
        "ok": checked.ok,
        "steps": [{"step": step.name, "ok": step.ok, "detail": step.detail} for step in checked.steps],
    }
