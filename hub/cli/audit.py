"""`hub audit`: who changed what."""

from __future__ import annotations

import click

from hub.cli.asking import listed
from hub.cli.desk import desk
from hub.cli.printing import note, show
from hub.cli.session import FAILED, command, json_option, opened, project_option

_COLUMNS = ("number", "at", "who", "action", "object", "before", "after", "result")


@click.group()
def audit() -> None:
    """Who changed what."""


@audit.command("list")
@click.option("--who", metavar="WHO", help="Only of this one: cli:root, person:ada, machine-user:main-auth/bot.")
@click.option("--object", "object_", metavar="WHAT", help='Only of this object: "executor NAME", "execution ID".')
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@project_option
@command
async def list_records(who: str | None, object_: str | None, limit: int, as_json: bool) -> None:
    """Changes, and what was refused or failed, newest first."""
    async with desk() as here:
        rows = await listed(here, "listAudit", limit, who=who, object=object_)
        show(rows, as_json=as_json, columns=_COLUMNS, empty="nothing was changed yet")


@audit.command("verify")
@json_option
@project_option
@command
async def verify(as_json: bool) -> int:
    """Whether every record is as it was written, and none is missing; exit 1 if not.

    Keep the hash that it prints somewhere else: whoever can write the whole database could write a whole new log, but not one
    that has this hash at this number.
    """
    async with opened() as parts:
        found = await parts.client.check_audit()
        shown = {"ok": found.ok, "records": found.count, "hash": found.hash, "broken_at": found.broken_at}
        if found.reason:
            note(found.reason)
        show(shown, as_json=as_json)
        return 0 if found.ok else FAILED
