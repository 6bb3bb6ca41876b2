"""`hub executor`: what listens to what, and starts what."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.options import parse_json
from hub.cli.printing import note, print_json, show
from hub.cli.session import FAILED, command, json_option, opened, project_option
from hub.model.event import Outcome

_DELIVERY_COLUMNS = ("id", "outcome", "reason", "execution_id", "created_at")


@click.group()
def executor() -> None:
    """What listens to what, and starts what."""


@executor.command("list")
@json_option
@project_option
@command
async def list_executors(as_json: bool) -> None:
    """The executors of the project."""
    from hub.views import executor_view

    async with opened() as parts:
        paused = await parts.client.paused()
        rows = [executor_view(one, paused=one.name in paused) for one in parts.client.executors()]
        show(rows, as_json=as_json, columns=("name", "kind", "state", "target", "file"), empty="no executors yet")


@executor.command("get")
@click.argument("name")
@json_option
@project_option
@command
async def get_executor(name: str, as_json: bool) -> None:
    """One executor."""
    from hub.views import executor_view

    async with opened() as parts:
        paused = await parts.client.paused()
        show(executor_view(parts.client.executor(name), paused=name in paused), as_json=as_json)


@executor.command("trigger")
@click.argument("name")
@click.option("-d", "--data", metavar="JSON", help="Body of a webhook, record of an event; @FILE reads a file.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="A header of the webhook.")
@click.option("-W", "--wait", is_flag=True, help="Wait for the execution that it starts.")
@click.option("-l", "--logs", is_flag=True, help="Show the lines that jobs write.")
@json_option
@project_option
@command
async def trigger(name: str, data: str | None, headers: tuple[str, ...], wait: bool, logs: bool, as_json: bool) -> int:
    """Give an executor an event by hand."""
    from hub.cli.waiting import finish
    from hub.views import event_view

    value = None if data is None else parse_json(data, "-d")
    pairs = dict(_header(text) for text in headers)
    async with opened() as parts:
        event = await parts.client.trigger_executor(name, value, pairs)
        event, deliveries = await parts.client.event(event.id)
        started = [one for one in deliveries if one.execution_id is not None]
        if not wait or not started:
            view = event_view(event, deliveries)
            if as_json:
                print_json(view)
            else:
                note(f"event {event.id}")
                show(view["deliveries"], as_json=False, columns=_DELIVERY_COLUMNS)
            return 0 if all(one.outcome is not Outcome.FAILED for one in deliveries) else FAILED
        execution_id: Any = started[0].execution_id
        return await finish(parts, execution_id, as_json=as_json, logs=logs, seconds=None, poll=0.05)


@executor.command("jobs")
@click.argument("name")
@click.argument("delivery_id", required=False, metavar="[JOB]")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@project_option
@command
async def jobs(name: str, delivery_id: str | None, limit: int, as_json: bool) -> None:
    """What became of the events that an executor met, newest first, or one of them with its execution."""
    from hub.views import delivery_view, execution_view

    async with opened() as parts:
        client = parts.client
        if delivery_id is None:
            rows = [delivery_view(one) for one in await client.deliveries(name, limit)]
            show(rows, as_json=as_json, columns=_DELIVERY_COLUMNS, empty="it has met no event yet")
            return
        client.executor(name)
        delivery = await client.delivery(delivery_id)
        view: dict[str, Any] = delivery_view(delivery)
        if delivery.execution_id is not None:
            view["execution"] = execution_view(await client.execution(delivery.execution_id))
        show(view, as_json=as_json)


@executor.command("pause")
@click.argument("name")
@project_option
@command
async def pause(name: str) -> None:
    """Let an executor's events come in and start nothing."""
    async with opened() as parts:
        await parts.client.pause_executor(name, paused=True)
        note(f"{name} is paused")


@executor.command("resume")
@click.argument("name")
@project_option
@command
async def resume(name: str) -> None:
    """Let a paused executor go on."""
    async with opened() as parts:
        await parts.client.pause_executor(name, paused=False)
        note(f"{name} goes on")


@executor.group("webhook")
def webhook() -> None:
    """The URLs of webhook executors."""


@webhook.command("list")
@json_option
@project_option
@command
async def list_webhooks(as_json: bool) -> None:
    """Each webhook executor's URL. The token in it is a secret."""
    async with opened() as parts:
        rows = await parts.client.webhooks()
        show(rows, as_json=as_json, columns=("executor", "url", "disabled"), empty="no webhook executors yet")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"-H {text!r} is no header: write 'Name: value'")
    return name.strip(), value.strip()
