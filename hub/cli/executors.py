"""`hub executor`: what listens to what, and starts what."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.asking import listed
from hub.cli.desk import desk
from hub.cli.options import Waiting, parse_json
from hub.cli.printing import note, print_json, show
from hub.cli.session import FAILED, command, json_option, project_option
from hub.model.event import Outcome

_DELIVERY_COLUMNS = ("id", "outcome", "reason", "execution_id", "created_at")


@click.group()
def executor() -> None:
    """What listens to what, and starts what."""


@executor.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), help="So many at most; all, when it is left out.")
@json_option
@project_option
@command
async def list_executors(limit: int | None, as_json: bool) -> None:
    """The executors of the project."""
    async with desk() as here:
        rows = (await here.ask("listExecutors", limit=limit))["items"]
        show(rows, as_json=as_json, columns=("name", "kind", "state", "target", "file"), empty="no executors yet")


@executor.command("get")
@click.argument("name")
@json_option
@project_option
@command
async def get_executor(name: str, as_json: bool) -> None:
    """One executor."""
    async with desk() as here:
        show(await here.ask("getExecutor", name=name), as_json=as_json)


@executor.command("trigger")
@click.argument("name")
@click.option("-d", "--data", metavar="JSON", help="Body of a webhook, record of an event; @FILE reads a file.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="A header of the webhook.")
@click.option("-k", "--idempotency-key", help="The same key again answers with the same event.")
@click.option("-W", "--wait", is_flag=True, help="Wait for the execution that it starts.")
@click.option("-l", "--logs", is_flag=True, help="Show the lines that jobs write.")
@json_option
@project_option
@command
async def trigger(
    name: str,
    data: str | None,
    headers: tuple[str, ...],
    idempotency_key: str | None,
    wait: bool,
    logs: bool,
    as_json: bool,
) -> int:
    """Give an executor an event by hand."""
    from hub.cli.waiting import finish

    value = None if data is None else parse_json(data, "-d")
    pairs = dict(_header(text) for text in headers)
    async with desk() as here:
        event = await here.ask(
            "triggerExecutor", name=name, data=value, headers=pairs or None, idempotency_key=idempotency_key
        )
        deliveries = event["deliveries"]
        started = [one["execution_id"] for one in deliveries if one["execution_id"] is not None]
        if not wait or not started:
            if as_json:
                print_json(event)
            else:
                note(f"event {event['id']}")
                show(deliveries, as_json=False, columns=_DELIVERY_COLUMNS)
            return 0 if all(one["outcome"] != Outcome.FAILED.value for one in deliveries) else FAILED
        waiting = Waiting(wait=True, seconds=None, interval=0.05, logs=logs, as_json=as_json)
        return await finish(here, started[0], waiting)


@executor.command("preview")
@click.argument("name")
@click.option("-d", "--data", metavar="JSON", help="What might come, as for `trigger`; @FILE reads a file.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="A header of the webhook.")
@click.option("-e", "--event", "event_id", metavar="ID", help="A stored event, in place of -d and -H.")
@json_option
@project_option
@command
async def preview(name: str, data: str | None, headers: tuple[str, ...], event_id: str | None, as_json: bool) -> int:
    """What would become of an event, with the files as they are now: nothing is stored, and nothing starts."""
    given: dict[str, Any] = {} if data is None else {"data": parse_json(data, "-d")}
    if headers:
        given["headers"] = dict(_header(text) for text in headers)
    if event_id is not None:
        if given:
            raise click.UsageError("-e names an event that has its own data and headers: leave -d and -H out")
        given["event_id"] = event_id
    async with desk() as here:
        found = await here.ask("previewExecutor", name=name, **given)
        show(found, as_json=as_json)
        return FAILED if found["outcome"] == Outcome.FAILED.value else 0


@executor.command("jobs")
@click.argument("name")
@click.argument("delivery_id", required=False, metavar="[JOB]")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@project_option
@command
async def jobs(name: str, delivery_id: str | None, limit: int, as_json: bool) -> None:
    """What became of the events that an executor met, newest first, or one of them with its execution."""
    async with desk() as here:
        if delivery_id is None:
            rows = await listed(here, "listDeliveries", limit, name=name)
            show(rows, as_json=as_json, columns=_DELIVERY_COLUMNS, empty="it has met no event yet")
            return
        show(await here.ask("getDelivery", name=name, id=delivery_id), as_json=as_json)


@executor.command("pause")
@click.argument("name")
@project_option
@command
async def pause(name: str) -> None:
    """Let an executor's events come in and start nothing.

    What came in, or came due, and was not looked at yet counts as paused too: slots that were missed while no server ran.
    """
    async with desk() as here:
        await here.ask("pauseExecutor", name=name)
        note(f"{name} is paused")


@executor.command("resume")
@click.argument("name")
@project_option
@command
async def resume(name: str) -> None:
    """Let a paused executor go on."""
    async with desk() as here:
        await here.ask("resumeExecutor", name=name)
        note(f"{name} goes on")


@executor.group("webhook")
def webhook() -> None:
    """The URLs of webhook executors."""


@webhook.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), help="So many at most; all, when it is left out.")
@json_option
@project_option
@command
async def list_webhooks(limit: int | None, as_json: bool) -> None:
    """Each webhook executor's URL. The token in it is a secret."""
    async with desk() as here:
        rows = (await here.ask("listWebhooks", limit=limit))["items"]
        show(rows, as_json=as_json, columns=("executor", "url", "disabled"), empty="no webhook executors yet")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"-H {text!r} is no header: write 'Name: value'")
    return name.strip(), value.strip()
