"""`hub node`: the processes that serve."""

from __future__ import annotations

import click

from hub.cli.printing import note, show
from hub.cli.session import command, json_option, opened, project_option

_COLUMNS = ("id", "host", "pid", "address", "started_at", "lease_until", "revision")


@click.group()
def node() -> None:
    """The processes that serve this hub."""


@node.command("list")
@json_option
@project_option
@command
async def list_nodes(as_json: bool) -> None:
    """Each process, until when its lease holds, and the revision of the definitions that it has loaded."""
    from hub.assembly.definitions import differences
    from hub.views import node_view

    async with opened() as parts:
        nodes = await parts.client.nodes()
        show([node_view(one) for one in nodes], as_json=as_json, columns=_COLUMNS, empty="no process serves this hub")
        for sentence in differences(parts.about.revision, nodes, parts.clock.now()):
            note(sentence)
