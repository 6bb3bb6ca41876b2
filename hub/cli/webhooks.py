"""`hub webhook`: correctly signed test requests."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from hub.cli.printing import note, print_json
from hub.cli.refused import rejected, release, verify
from hub.cli.session import command, json_option, opened, project_option
from hub.model.durations import spoken
from hub.model.errors import BadInput, ConfigError, NotFound
from hub.model.executor import WebhookTrigger

if TYPE_CHECKING:
    from hub.assembly.files import Files
    from hub.triggers.webhook.endpoint import Endpoint


@click.group()
def webhook() -> None:
    """Make correctly signed test requests; look at refused deliveries, and let them in."""


for _command in (rejected, verify, release):
    webhook.add_command(_command)


@webhook.command("sign")
@click.argument("name", metavar="EXECUTOR")
@click.option(
    "-d", "--data", "file", required=True, type=click.File("rb"), metavar="FILE", help="The body; - is stdin."
)
@click.option("--url", metavar="BASE", help="Where the hub answers, when it is not where config/hub.yaml says.")
@click.option("--event", metavar="NAME", help="The sender's name for it; by default the first that the executor takes.")
@json_option
@project_option
@command
async def sign_request(name: str, file: IO[bytes], url: str | None, event: str | None, as_json: bool) -> None:
    """A request as the sender would make it, signed with the executor's secret, as a curl command."""
    from hub.triggers.webhook.examine import examine
    from hub.triggers.webhook.sign import as_curl, sign, usual_event

    body = file.read()
    async with opened() as parts:
        endpoint = _endpoint(parts.files, name)
        executor = parts.client.executor(name)
        address = next(row["url"] for row in await parts.client.webhooks() if row["executor"] == name)
        if url is not None:
            address = url.rstrip("/") + address[address.index(f"/webhooks/{name}") :]
        now = parts.clock.now()
        signed = sign(endpoint, body, now, event=event or usual_event(executor))
        failed = [
            step
            for step in (await examine(endpoint, signed.request(name), now, parts.files.documents)).steps
            if not step.ok
        ]
    for step in failed:
        note(f"it will be turned away ({step.name}): {step.detail}.")
    if as_json:
        text = signed.body.decode("utf-8", "backslashreplace")
        print_json(
            {"method": signed.method, "url": address + signed.query, "headers": dict(signed.headers), "body": text}
        )
        return
    if b"\0" in signed.body:
        raise BadInput("the body holds a zero byte, which no shell can hand to curl: take a body that is text.")
    click.echo(as_curl(address, signed).encode("utf-8", "surrogateescape"))
    if endpoint.scheme.tolerance is not None:
        note(f"the signature holds its time: send it within {spoken(endpoint.scheme.tolerance)}.")


def _endpoint(files: Files, name: str) -> Endpoint:
    """The way in of a webhook executor. Raises ConfigError with what is wrong in its file, or BadInput."""
    endpoint = files.endpoints.get(name)
    if endpoint is not None:
        return endpoint
    found = {executor.name: executor for executor in files.executors}.get(name)
    if found is not None and not isinstance(found.trigger, WebhookTrigger):
        raise BadInput(f'executor "{name}" has no webhook: its trigger is of the kind {found.kind}.')
    if found is not None and found.disabled:
        raise BadInput(f'executor "{name}" is disabled, and takes no requests: see {found.at("disabled")}.')
    if found is not None and isinstance(found.trigger, WebhookTrigger) and found.trigger.source is not None:
        raise BadInput(f'executor "{name}" gets what "{found.trigger.source}" receives: sign a request for that one.')
    file = f"executors/{name}."
    problems = [problem for problem in files.problems if problem.position.file.startswith(file)]
    if name in files.broken and problems:
        raise ConfigError(problems)
    raise NotFound("webhook executor", name, files.endpoints)
