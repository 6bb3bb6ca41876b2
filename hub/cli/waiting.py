"""Waiting for an execution, and showing it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import redirect_stdout
from typing import Any

from hub.cli.asking import Desk, listed
from hub.cli.options import Waiting
from hub.cli.printing import note, print_fields, print_json, print_table
from hub.cli.session import FAILED, TIMED_OUT
from hub.model.execution import Status

JOB_COLUMNS = ("path", "status", "attempts", "started_at", "finished_at", "error")
_LINES = ("at", "level", "job", "message")
_MOST_LINES = 100_000


async def finish(desk: Desk, execution_id: str, waiting: Waiting) -> int:
    """Wait for the execution, show it, and say by the exit status how it ended: 0, 1, or 3 when time was up."""
    try:
        tell = _tell if waiting.logs else None
        with redirect_stdout(sys.stderr):  # jobs that run here may print, and that is no data of this command
            view = await desk.wait(execution_id, seconds=waiting.seconds, poll=waiting.interval, tell=tell)
    except TimeoutError as error:
        note(str(error))
        return TIMED_OUT
    except asyncio.CancelledError:  # Ctrl-C
        note(f"execution {execution_id} is not cancelled: `hub workflow wait {execution_id}` goes on with this.")
        raise
    succeeded = view["status"] == Status.SUCCESS.value
    await show_execution(desk, view, as_json=waiting.as_json, logs=False, quiet_logs=waiting.logs)
    return 0 if succeeded else FAILED


async def show_execution(
    desk: Desk, view: dict[str, Any], *, as_json: bool, logs: bool, quiet_logs: bool = False
) -> None:
    """An execution with its jobs; with `logs` its lines too."""
    lines: list[Any] = []
    if logs or (quiet_logs and as_json):
        lines = [
            {name: line[name] for name in ("at", "job", "level", "message")}
            for line in await listed(desk, "listLogs", _MOST_LINES, id=view["id"])
        ]
    if as_json:
        print_json({**view, "logs": lines} if logs or quiet_logs else view)
        return
    jobs = view.pop("jobs")
    print_fields({key: value for key, value in view.items() if value is not None})
    print_table(jobs, JOB_COLUMNS, "no job has begun")
    if logs:
        print_table(lines, _LINES, "no lines")


def _tell(line: dict[str, Any]) -> None:
    note(f"{line['at']} {line['level']:7} {line['job']}: {line['message']}")
