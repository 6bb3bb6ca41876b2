"""`hub node`: the processes that serve."""

from __future__ import annotations

import click

from hub.cli.desk import desk
from hub.cli.printing import note, show
from hub.cli.session import command, json_option, project_option

_COLUMNS = ("id", "host", "pid", "address", "started_at", "lease_until", "alive", "revision")


@click.group()
def node() -> None:
    """The processes that serve this hub."""


@node.command("list")
@json_option
@project_option
@command
async def list_nodes(as_json: bool) -> None:
    """Each process, until when its lease holds, and the revision of the definitions that it has loaded."""
    async with desk() as here:
        found = await here.ask("listNodes")
        show(found["items"], as_json=as_json, columns=_COLUMNS, empty="no process serves this hub")
        for sentence in found["differences"]:
            note(sentence)
