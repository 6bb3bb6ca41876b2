"""Executions that began with an older definition than there is now: can the code as it is now go on with them?

Each has its stored history rehearsed with the present code. Nothing is executed and nothing is touched.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from enum import StrEnum

from hub.engine.history import History
from hub.engine.registry import Registry
from hub.engine.rehearsal import CannotTell, HistoryDiffers, replay
from hub.engine.surroundings import Surroundings
from hub.model.errors import ArgumentHashMismatch
from hub.model.execution import ExecutionRecord, Status

#: How long one execution may take, and how long a rehearsal whose code blocks is waited for.
_SECONDS = 2.0


class Verdict(StrEnum):
    COMPATIBLE = "compatible"
    #: It would fail, or do something else than it had begun.
    NEEDS_A_PERSON = "needs a person"
    #: Its code does something between its calls that a rehearsal leaves out.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """An execution whose workflow has changed since it began."""

    execution_id: str
    workflow: str
    status: Status
    began_with: str | None
    #: The revision that there is; None: the workflow is gone.
    revision: str | None
    verdict: Verdict
    #: Why, in a sentence.
    reason: str


async def judge(record: ExecutionRecord, registry: Registry, surroundings: Surroundings) -> Judged:
    """Hold one execution, with its jobs, against the code as it is now."""
    if record.workflow not in registry.workflows:
        verdict, reason = Verdict.NEEDS_A_PERSON, f"there is no workflow {record.workflow} any more."
        revision = None
    else:
        revision = registry.revision(record.workflow)
        verdict, reason = await _rehearsed(record, registry, surroundings)
    return Judged(record.id, record.workflow, record.status, record.revision, revision, verdict, reason)


def not_judged(record: ExecutionRecord, registry: Registry) -> Judged:
    """One for which there was no time."""
    known = record.workflow in registry.workflows
    revision = registry.revision(record.workflow) if known else None
    reason = "it was not looked at: others before it took too long."
    return Judged(record.id, record.workflow, record.status, record.revision, revision, Verdict.UNKNOWN, reason)


async def _rehearsed(record: ExecutionRecord, registry: Registry, surroundings: Surroundings) -> tuple[Verdict, str]:
    """In a thread of its own: code that blocks, or never ends, holds nobody up."""
    told: asyncio.Future[tuple[Verdict, str]] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def tell(found: tuple[Verdict, str]) -> None:
        if not told.done():
            told.set_result(found)

    def rehearse() -> None:
        found = asyncio.run(_verdict(record, registry, surroundings))
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=rehearse, name=f"hub-rehearsal-{record.id}", daemon=True).start()
    try:
        async with asyncio.timeout(2 * _SECONDS):
            return await told
    except TimeoutError:
        return Verdict.UNKNOWN, f"its code did not come to its next call within {2 * _SECONDS:g} s."


async def _verdict(record: ExecutionRecord, registry: Registry, surroundings: Surroundings) -> tuple[Verdict, str]:
    workflow = registry.workflow(record.workflow)
    try:
        await replay(
            History.of(record), workflow, surroundings=surroundings, registry=registry, blind=True, seconds=_SECONDS
        )
    except (ArgumentHashMismatch, HistoryDiffers) as error:
        return Verdict.NEEDS_A_PERSON, str(error)
    except CannotTell as error:
        return Verdict.UNKNOWN, str(error)
    except Exception as error:  # noqa: BLE001 - whatever the code does now, the execution would meet it
        return Verdict.NEEDS_A_PERSON, f"it would fail now: {type(error).__name__}: {error}"
    return Verdict.COMPATIBLE, "the code makes the same calls as it did."
