"""`hub serve`: everything in one process, and a second one for floods of webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys
from typing import TYPE_CHECKING

import click

from hub.cli.session import FAILED, command, project_option, project_root
from hub.model.clock import iso
from hub.model.counted import counted
from hub.model.errors import ConfigError
from hub.model.hiding import Hiding

if TYPE_CHECKING:  # commands import late
    from hub.assembly.parts import Parts
    from hub.assembly.side_door import OpenedDoor

log = logging.getLogger("hub")


def _new_loop() -> asyncio.AbstractEventLoop:
    from hub.api.server import new_loop

    return new_loop()


@click.command()
@click.option("--host", help="Address to listen on; by default the one in config/hub.yaml.")
@click.option("--port", type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--reload", is_flag=True, help="Let changed code in workflows/ take effect too, without a restart.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="By default text on a terminal, else JSON.")
@project_option
def serve(host: str | None, port: int | None, reload: bool, log_format: str | None) -> None:
    """Run everything: intake, schedules, record events, workers. SIGTERM stops it in order."""
    from hub.assembly.side_door import open_side_door

    command(_serve, loop=_new_loop)(host, port, reload, log_format, open_side_door(project_root()))


async def _serve(
    host: str | None, port: int | None, reload: bool, log_format: str | None, side_door: OpenedDoor | None
) -> int:
    from hub.assembly.files import read_files
    from hub.assembly.jobs_thread import settle_in
    from hub.assembly.parts import open_parts
    from hub.assembly.serving import Serving

    hiding = Hiding(log.warning)
    log_to_stderr(hiding, log_format)
    files = read_files(project_root(), hiding=hiding)
    for problem in files.problems:
        click.echo(str(problem), err=True)
    for warning in files.warnings:
        log.warning("%s", warning)
    if files.config is None:
        click.echo("nothing is served: config/hub.yaml or config/secrets.yaml cannot be used as it is.", err=True)
        raise ConfigError(())
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    parts = await open_parts(files, serving=True)
    serving = Serving(parts, host=host, port=port, reload_code=reload, side_door=side_door)
    try:
        rescued = await serving.start()
    except BaseException:
        with contextlib.suppress(Exception):
            await parts.close()
        raise
    settle_in()
    log.info("serving %s at %s", files.root.name, serving.address)
    await _invite_first(parts)
    if rescued:
        log.info(
            "%s on", counted(rescued, "execution of an earlier process goes", "executions of an earlier process go")
        )
    await serving.run(asked)
    given_back = await serving.stop()
    await parts.close()
    log.info("stopped; %s on at the next start", counted(given_back, "execution goes", "executions go"))
    if serving.failed is not None:
        log.error("stopped because a part failed: %s", serving.failed)
        return FAILED
    return 0


async def _invite_first(parts: Parts) -> None:
    """Say how the first admin comes in, as long as nobody can."""
    from hub.assembly.parts import operator
    from hub.client.people import claim_address

    first = await parts.client.acting_as(operator()).invite_first()
    if first is not None:
        claim = claim_address(parts.reached.here, first)
        # Who reads the log later must not come in by it: the address is for whoever started this.
        log.info("nobody can sign in yet: the address on standard output makes the first admin")
        click.echo(f"Nobody can sign in yet. Whoever opens this address becomes the first admin, once: {claim}")


class _JsonLines(logging.Formatter):
    """One JSON object a line, whatever the message holds."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": iso(round(record.created * 1000)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:10_000],
        }
        for name in ("execution_id", "job", "event_id"):
            if hasattr(record, name):
                line[name] = getattr(record, name)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


class _Lines(logging.Formatter):
    """A line for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        from hub.cli.printing import clean, one_line

        where = f" {record.execution_id} {record.job}:" if hasattr(record, "execution_id") else ""  # type: ignore[attr-defined]  # set by the engine's extra
        text = f"{iso(round(record.created * 1000))} {record.levelname:7}{where} {one_line(record.getMessage())}"
        if not record.exc_info:
            return text
        # Set in, so that nothing in it can be taken for a line of its own.
        return "\n    ".join([text, *map(clean, self.formatException(record.exc_info).splitlines())])


class _WithoutSecrets(logging.Formatter):
    """Lines of another formatter, with asterisks where a secret stood."""

    def __init__(self, inner: logging.Formatter, hiding: Hiding) -> None:
        super().__init__()
        self._inner = inner
        self._hiding = hiding

    def format(self, record: logging.LogRecord) -> str:
        return self._hiding.hide(self._inner.format(record))


def log_to_stderr(hiding: Hiding, form: str | None = None) -> None:
    """`text` or `json`; by default lines for people on a terminal, and JSON lines in a pipe."""
    handler = logging.StreamHandler(sys.stderr)
    plain = sys.stderr.isatty() if form is None else form == "text"
    handler.setFormatter(_WithoutSecrets(_Lines() if plain else _JsonLines(), hiding))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("hub").setLevel(logging.INFO)
