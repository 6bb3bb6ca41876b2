"""`hub plan` and `hub apply`: what the files would change, and doing it."""

from __future__ import annotations

import click

from hub.cli.printing import note, print_json, show
from hub.cli.session import FAILED, command, json_option, opened, project_option
from hub.model.plan import Plan

_COLUMNS = ("action", "kind", "name", "detail")


@click.command()
@json_option
@project_option
@command
async def plan(as_json: bool) -> int:
    """What would change for executors, schedules and database triggers. Nothing is changed."""
    async with opened() as parts:
        found = await parts.client.plan()
        _show(found, as_json=as_json, empty="everything is as the files say")
        if found.changes and not as_json:
            note("`hub apply` does it; so does a server, within two seconds")
        return FAILED if found.troubles else 0


@click.command()
@json_option
@project_option
@command
async def apply(as_json: bool) -> int:
    """Put the files into effect: executors, schedules and database triggers."""
    async with opened() as parts:
        done = await parts.client.apply()
        _show(done, as_json=as_json, empty="everything was as the files say")
        return FAILED if done.troubles else 0


def _show(plan: Plan, *, as_json: bool, empty: str) -> None:
    rows = [{"action": one.action, "kind": one.kind, "name": one.name, "detail": one.detail} for one in plan.changes]
    if as_json:
        print_json({"changes": rows, "troubles": list(plan.troubles)})
        return
    show(rows, as_json=False, columns=_COLUMNS, empty=empty)
    for trouble in plan.troubles:
        note(trouble)
