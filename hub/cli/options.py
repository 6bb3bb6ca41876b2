"""Options that several commands take, and their values."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from hub.cli.session import json_option, project_option, said_of
from hub.model.clock import Clock, from_iso
from hub.model.durations import milliseconds


def _duration(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return milliseconds(value if not value.isdigit() else float(value)) / 1000
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a command was told of waiting for an execution, and of how to show it."""

    #: Whether to wait at all.
    wait: bool
    #: For how long; None: until the end.
    seconds: float | None
    #: Seconds between two looks.
    interval: float
    #: Show the lines that jobs write.
    logs: bool
    as_json: bool


def wait_options(function: Callable[..., None]) -> Callable[..., None]:
    """What commands take that can wait for an execution, as one parameter, `waiting`."""

    @functools.wraps(function)
    def gathered(
        *args: Any, wait: bool, seconds: float | None, interval: float, logs: bool, as_json: bool, **kwargs: Any
    ) -> None:
        function(*args, waiting=Waiting(wait, seconds, interval, logs, as_json), **kwargs)

    asking: Callable[..., None] = gathered
    for option in (
        click.option("-l", "--logs", is_flag=True, help="Show the lines that jobs write."),
        click.option(
            "-i", "--interval", default="200ms", callback=_duration, help="How often to look.", metavar="TIME"
        ),
        click.option(
            "-t", "--timeout", "seconds", callback=_duration, help="Give up waiting (exit 3).", metavar="TIME"
        ),
        click.option("-W", "--wait", is_flag=True, help="Wait for the end; without a server, do the work here."),
        json_option,
        project_option,
    ):
        asking = option(asking)
    return asking


def parse_json(text: str, option: str) -> Any:
    """The value of a JSON option; `@FILE` reads it from a file. Ends the command when it is not JSON."""
    try:
        if text.startswith("@"):
            with click.open_file(text[1:], encoding="utf-8") as file:
                text = file.read()
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise click.UsageError(
            f"{option} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except OSError as error:
        raise click.UsageError(f"{option}: {said_of(error)}") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{option}: {text[1:]} is not text in UTF-8") from None
    except (ValueError, RecursionError):
        raise click.UsageError(f"{option} is not JSON that the hub takes: too deep, or a number too long") from None


def instant(text: str, option: str) -> int:
    """An ISO 8601 instant, in milliseconds. Ends the command when it is none."""
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        raise click.UsageError(f"{option} {text} is no ISO 8601 instant, such as 2026-03-29T01:00:00Z") from None


def since_moment(text: str, clock: Clock) -> int:
    """The instant of `--since`, in milliseconds. Ends the command when it is none."""
    try:
        return clock.now() - milliseconds(text)
    except ValueError:
        pass
    try:
        return from_iso(text)
    except ValueError:
        raise click.UsageError(f"--since {text} is neither a duration such as 2h nor an ISO 8601 instant") from None
