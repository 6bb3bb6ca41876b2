"""Waiting for an execution: with a server it runs there, without one this command does the work itself."""

from __future__ import annotations

import asyncio
from typing import Any

from hub.assembly.parts import Parts, run_in_process
from hub.cli.printing import note, print_fields, print_json, print_table
from hub.cli.session import FAILED, TIMED_OUT
from hub.model.clock import iso
from hub.model.execution import ExecutionRecord, Status
from hub.views import execution_view, log_view

JOB_COLUMNS = ("path", "status", "attempts", "started_at", "finished_at", "error")


async def finish(
    parts: Parts, execution_id: str, *, as_json: bool, logs: bool, seconds: float | None, poll: float
) -> int:
    """Wait for the execution, show it, and say by the exit status how it ended: 0, 1, or 3 when time was up."""
    done = asyncio.Event()
    alone = parts.store.take_seat()
    working = asyncio.create_task(run_in_process(parts, done))
    telling = asyncio.create_task(_tell(parts, execution_id)) if logs else None
    try:
        record = await parts.client.wait(execution_id, seconds=seconds, poll=poll)
        if telling is not None:
            await telling
    except TimeoutError:
        how = "it goes on when a server runs, or a command waits for it" if alone else "it goes on"
        note(f"execution {execution_id} has not ended yet; {how}.")
        return TIMED_OUT
    finally:
        done.set()
        if telling is not None:
            telling.cancel()
        await working
    await show_execution(parts, record, as_json=as_json, logs=False, quiet_logs=logs)
    return 0 if record.status is Status.SUCCESS else FAILED


async def show_execution(
    parts: Parts, record: ExecutionRecord, *, as_json: bool, logs: bool, quiet_logs: bool = False
) -> None:
    """An execution with its jobs; with `logs` its lines too."""
    view: dict[str, Any] = execution_view(record)
    lines = [log_view(line) for _, line in await parts.client.logs(record.id)] if logs or quiet_logs else []
    if as_json:
        print_json({**view, "logs": lines} if logs or quiet_logs else view)
        return
    jobs = view.pop("jobs")
    print_fields({key: value for key, value in view.items() if value is not None})
    print_table(jobs, JOB_COLUMNS, "no job has begun")
    if logs:
        print_table(lines, ("at", "level", "job", "message"), "no lines")


async def _tell(parts: Parts, execution_id: str) -> None:
    async for line in parts.client.follow_logs(execution_id):
        note(f"{iso(line.at)} {line.level:7} {line.path}: {line.message}")
