"""`hub workflow`: start and follow executions."""

from __future__ import annotations

import click

from hub.cli.asking import listed
from hub.cli.desk import desk
from hub.cli.options import Waiting, parse_json, wait_options
from hub.cli.printing import note, show
from hub.cli.resuming import fork, resume, settle
from hub.cli.session import command, json_option, project_option
from hub.model.execution import Status

_CHANGED = ("execution_id", "workflow", "status", "verdict", "reason")
_COLUMNS = ("id", "workflow", "status", "created_at", "finished_at", "reason", "error")


@click.group()
def workflow() -> None:
    """Start and follow executions."""


@workflow.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), help="So many at most; all, when it is left out.")
@json_option
@project_option
@command
async def list_workflows(limit: int | None, as_json: bool) -> None:
    """The workflows of the project."""
    async with desk() as here:
        rows = (await here.ask("listWorkflows", limit=limit))["items"]
        show(rows, as_json=as_json, columns=("name", "main_job", "revision"), empty="no workflows yet")


@workflow.command("get")
@click.argument("name")
@json_option
@project_option
@command
async def get_workflow(name: str, as_json: bool) -> None:
    """One workflow: its jobs, policies and input."""
    async with desk() as here:
        show(await here.ask("getWorkflow", name=name), as_json=as_json)


@workflow.command("changed")
@json_option
@project_option
@command
async def changed(as_json: bool) -> None:
    """Executions whose workflow has changed since they began, and whether they can go on. Nothing is executed."""
    async with desk() as here:
        rows = (await here.ask("listChangedExecutions"))["items"]
        show(rows, as_json=as_json, columns=_CHANGED, empty="every execution began with the definition that there is")


@workflow.command("start")
@click.argument("name")
@click.option("-m", "--machine-user", "--machineuser", "machine_user", help="Whom it acts as, or `anonymous`.")
@click.option("-n", "--namespace", help="The machine user's auth namespace, when several have one of this name.")
@click.option("-a", "--args", "-g", "--arg", "args", default="{}", metavar="JSON", help="Input of the main job.")
@click.option("-k", "--idempotency-key", help="The same key again answers with the same execution.")
@click.option("--priority", type=click.IntRange(-1000, 1000), help="Higher begins first; by default its workflow's.")
@click.option("--app", hidden=True, help="Accepted, and not needed.")
@wait_options
@command
async def start(
    name: str,
    machine_user: str | None,
    namespace: str | None,
    args: str,
    idempotency_key: str | None,
    priority: int | None,
    app: str | None,
    waiting: Waiting,
) -> int:
    """Start an execution of a workflow."""
    del app
    from hub.cli.waiting import finish

    if machine_user is None:
        raise click.UsageError("say whom it acts as: -m MACHINE_USER, or -m anonymous.")
    value = parse_json(args, "-a")
    invoker = machine_user if namespace is None else f"{namespace}/{machine_user}"
    async with desk() as here:
        started = await here.ask(
            "startExecution", name=name, args=value, invoker=invoker, idempotency_key=idempotency_key, priority=priority
        )
        if not waiting.wait:
            show({"id": started["id"], "workflow": name, "status": started["status"]}, as_json=waiting.as_json)
            return 0
        note(f"execution {started['id']}")
        return await finish(here, started["id"], waiting)


@workflow.command("executions")
@click.argument("execution_id", required=False, metavar="[ID]")
@click.option("-n", "--workflow-name", "--workflow", "workflow_name", help="Only of this workflow.")
@click.option("-s", "--status", type=click.Choice([one.value for one in Status], case_sensitive=False))
@click.option("--executor", help="Only those that this executor started.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@wait_options
@command
async def executions(
    execution_id: str | None,
    workflow_name: str | None,
    status: str | None,
    executor: str | None,
    limit: int,
    waiting: Waiting,
) -> int:
    """Executions, newest first, or one of them."""
    from hub.cli.waiting import finish, show_execution

    async with desk() as here:
        if execution_id is None:
            filters = {"workflow": workflow_name, "status": status, "executor": executor}
            found = await listed(here, "listExecutions", limit, **filters)
            empty = "no such executions" if any(filters.values()) else "no executions yet"
            show(found, as_json=waiting.as_json, columns=_COLUMNS, empty=empty)
            return 0
        view = await here.ask("getExecution", id=execution_id)
        if waiting.wait:
            return await finish(here, execution_id, waiting)
        await show_execution(here, view, as_json=waiting.as_json, logs=waiting.logs)
        return 0


@workflow.command("cancel")
@click.argument("execution_id", metavar="ID")
@wait_options
@command
async def cancel(execution_id: str, waiting: Waiting) -> None:
    """End an execution: nothing of it starts any more."""
    async with desk() as here:
        show(await here.ask("cancelExecution", id=execution_id), as_json=waiting.as_json)


@workflow.command("wait")
@click.argument("execution_id", metavar="ID")
@wait_options
@command
async def wait_for(execution_id: str, waiting: Waiting) -> int:
    """Wait for the end of an execution (exit 0 success, 1 failed or cancelled, 3 time is up)."""
    from hub.cli.waiting import finish

    async with desk() as here:
        await here.ask("getExecution", id=execution_id)
        return await finish(here, execution_id, waiting)


workflow.add_command(resume)
workflow.add_command(fork)
workflow.add_command(settle)
