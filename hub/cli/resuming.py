"""`hub workflow resume`, `fork` and `settle`: going on after a failure."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.desk import desk
from hub.cli.options import Waiting, parse_json, since_moment, wait_options
from hub.cli.printing import note, show
from hub.cli.session import command
from hub.model.clock import SystemClock, iso
from hub.model.execution import Status

_RESUMABLE = (Status.FAILED.value, Status.PENDING_RETRY.value)


@click.command("resume")
@click.argument("execution_id", required=False, metavar="[ID]")
@click.option("-n", "--workflow-name", "--workflow", "workflow_name", help="Instead of an ID: all of this workflow.")
@click.option("-s", "--status", type=click.Choice(_RESUMABLE, case_sensitive=False), help="All that stand there.")
@click.option("--since", metavar="TIME", help="All that failed since: a duration (`2h`) or an ISO 8601 instant.")
@click.option("-y", "--yes", is_flag=True, help="Resume all that match; without it they are only counted.")
@click.option("-a", "--args", "-g", "--arg", "args", metavar="JSON", help="Go on with another input.")
@wait_options
@command
async def resume(
    execution_id: str | None,
    workflow_name: str | None,
    status: str | None,
    since: str | None,
    yes: bool,
    args: str | None,
    waiting: Waiting,
) -> int:
    """Let a failed execution go on under its id, or all that match. Finished jobs do not run again.

    With another input, a finished job that would now be called with other arguments fails it again, and nothing is lost.
    """
    from hub.cli.waiting import finish

    many = (workflow_name, status, since) != (None, None, None)
    if execution_id is None:
        if not many:
            raise click.UsageError("say which: an ID, or all with -n WORKFLOW, -s FAILED or --since TIME.")
        if args is not None or waiting.wait:
            raise click.UsageError("-a and -W are for one execution: give its ID.")
        await _resume_many(workflow_name, status, since, really=yes, as_json=waiting.as_json)
        return 0
    if many:
        raise click.UsageError("give either an ID or -n, -s and --since.")
    async with desk() as here:
        now_is = await here.ask("resumeExecution", id=execution_id, args=_other(args))
        if waiting.wait:
            return await finish(here, execution_id, waiting)
        show(now_is, as_json=waiting.as_json)
        return 0


async def _resume_many(
    workflow: str | None, status: str | None, since: str | None, *, really: bool, as_json: bool
) -> None:
    filters = {
        "workflow": workflow,
        "status": status,
        "since": None if since is None else iso(since_moment(since, SystemClock())),
    }
    async with desk() as here:
        if workflow is not None:
            await here.ask("getWorkflow", name=workflow)
        asked = await here.ask("resumeExecutions", really=really, **filters)
        matching, resumed = asked["matching"], asked["resumed"]
        while really and asked["resumed"] and resumed < matching:
            asked = await here.ask("resumeExecutions", really=True, **filters)
            resumed += asked["resumed"]
        show({"matching": matching, "resumed": resumed}, as_json=as_json)
        if matching and not really:
            note("nothing was resumed: add --yes to resume them.")


def _other(args: str | None) -> Any:
    """Another input; null is {}, and None: the one that it has."""
    if args is None:
        return None
    value = parse_json(args, "-a")
    return {} if value is None else value


@click.command("fork")
@click.argument("execution_id", metavar="ID")
@click.option("--from", "path", required=True, metavar="PATH", help="The first job that runs again, by its path.")
@click.option("-a", "--args", "-g", "--arg", "args", metavar="JSON", help="Another input of the main job.")
@click.option("-k", "--idempotency-key", help="The same key again answers with the same execution.")
@wait_options
@command
async def fork(
    execution_id: str,
    path: str,
    args: str | None,
    idempotency_key: str | None,
    waiting: Waiting,
) -> int:
    """Start a new execution from a job of another one on: what came before keeps its results, the rest runs again."""
    from hub.cli.waiting import finish

    async with desk() as here:
        asked = {"id": execution_id, "from": path, "args": _other(args), "idempotency_key": idempotency_key}
        started = await here.ask("forkExecution", **asked)
        if waiting.wait:
            note(f"execution {started['id']}")
            return await finish(here, started["id"], waiting)
        show({**started, "forked_from": execution_id}, as_json=waiting.as_json)
        return 0


@click.command("settle")
@click.argument("execution_id", metavar="ID")
@click.argument("path")
@click.option("--result", metavar="JSON", help="It was done, and this is its result; `@FILE` reads it from a file.")
@click.option("--failed", metavar="MESSAGE", help="It was not done, and its caller gets this failure.")
@click.option("--again", is_flag=True, help="It was not done, and is to be done again.")
@wait_options
@command
async def settle(
    execution_id: str,
    path: str,
    result: str | None,
    failed: str | None,
    again: bool,
    waiting: Waiting,
) -> int:
    """Say what became of a job that is at most once and was interrupted; an execution that waits for it goes on."""
    from hub.cli.waiting import finish

    if (result is not None) + (failed is not None) + again != 1:
        raise click.UsageError("say one of --result JSON, --failed MESSAGE and --again.")
    said: dict[str, Any] = {"again": True} if failed is None else {"failed": failed}
    if result is not None:
        said = {"result": parse_json(result, "--result")}
    async with desk() as here:
        settled = await here.ask("settleCall", id=execution_id, path=path, said=said)
        if waiting.wait:
            return await finish(here, execution_id, waiting)
        show(settled, as_json=waiting.as_json)
        return 0
