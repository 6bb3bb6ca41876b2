"""`hub wait-point`: what executions ask, and answers to it."""

from __future__ import annotations

import click

from hub.cli.asking import listed
from hub.cli.desk import desk
from hub.cli.options import parse_json
from hub.cli.printing import show
from hub.cli.session import command, json_option, project_option

_COLUMNS = ("execution_id", "key", "state", "payload", "created_at", "deadline", "resolved_by")


@click.group("wait-point")
def wait_point() -> None:
    """What executions ask, and answers to it."""


@wait_point.command("list")
@click.option("--execution", "execution_id", metavar="ID", help="Only those of this execution.")
@click.option("--all", "everything", is_flag=True, help="Also those that have an answer, or timed out.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@project_option
@command
async def list_wait_points(execution_id: str | None, everything: bool, limit: int, as_json: bool) -> None:
    """What is waiting for an answer, newest first."""
    async with desk() as here:
        rows = await listed(here, "listWaitPoints", limit, execution=execution_id, all=everything)
        show(rows, as_json=as_json, columns=_COLUMNS, empty="nothing waits for an answer")


@wait_point.command("resolve")
@click.argument("execution_id", metavar="EXECUTION")
@click.argument("key")
@click.option("-d", "--data", required=True, metavar="JSON", help="The answer; `@FILE` reads it from a file.")
@click.option("-m", "--machine-user", help="Who answers; by default whoever may write the project's store.")
@click.option("-n", "--namespace", help="The machine user's auth namespace, when several have one of this name.")
@json_option
@project_option
@command
async def resolve(
    execution_id: str, key: str, data: str, machine_user: str | None, namespace: str | None, as_json: bool
) -> None:
    """Answer a wait point, once. An answer that comes before its question is kept for it."""
    answer = parse_json(data, "-d")
    async with desk() as here:
        asked = here if machine_user is None else here.acting_as(machine_user, namespace)
        shown = await asked.ask("resolveWaitPoint", id=execution_id, key=key, result=answer)
        show(shown, as_json=as_json)
