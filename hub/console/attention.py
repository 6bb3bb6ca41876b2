"""What needs a person, each thing with one act that helps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from hub.client import Client
from hub.console.rendering import address
from hub.console.showing.moments import ago, clock_time
from hub.console.showing.texts import shortened
from hub.model.counted import counted
from hub.model.event import Delivery
from hub.model.execution import ExecutionRecord
from hub.model.wait import WaitRecord
from hub.store.refused import RefusedDelivery

T = TypeVar("T")

WINDOW_MS = 7 * 86_400_000
_DAY_MS = 86_400_000
_LONGEST = 200
#: Executions that one button resumes.
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Concern:
    """A line of "needs attention". With `post` the label is a button that acts, else a link to `href`."""

    state: str
    title: str
    detail: str
    href: str
    label: str
    post: str = ""
    note: str = ""
    #: What the button sends with it.
    fields: tuple[tuple[str, str], ...] = ()


async def concerns(client: Client, now: int) -> list[Concern]:
    """The most pressing first."""
    found: list[Concern] = []
    if client.may("execution:read", None):
        found += [_failed(group, now) for group in _by(await client.failed_executions(now - WINDOW_MS), "workflow")]
        found += [_unknown(group, now) for group in _by(await client.unknown_calls(_LONGEST), "workflow")]
    if client.may("executor:read", None):
        deliveries = await client.failed_deliveries(now - WINDOW_MS)
        found += [_not_started(group, now) for group in _by(deliveries, "executor")]
    if client.may("wait-point:read", None):
        found += [_asked(group, now) for group in _by(await client.wait_points(limit=_LONGEST), "name")]
    if client.may("webhook:read", None):
        recent = [one for one in (await client.refused_page(limit=_LONGEST)).items if one.received_at > now - _DAY_MS]
        found += [_refused(group, now) for group in _by(recent, "executor")]
    return found


def _by(found: Sequence[T], name: str) -> list[list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for one in found:
        groups[getattr(one, name)].append(one)
    return list(groups.values())


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times" if count < _LONGEST else f"{count} times and more")


def _failed(group: Sequence[ExecutionRecord], now: int) -> Concern:
    last, first = group[0], group[-1]
    message = str((last.error or {}).get("message", "")) or "no message"
    href = f"/console/executions/{last.id}"
    resumed = [one.id for one in group[:_AT_ONCE]]
    return Concern(
        "FAILED",
        f"{last.workflow} failed {_times(len(group))} since {clock_time(first.created_at, now)}",
        f"last: {shortened(message, 200)}",
        href if len(group) == 1 else address("/console/executions", status="FAILED", workflow=last.workflow),
        "Resume" if len(group) == 1 else f"Resume {len(resumed)}",
        post=f"{href}/resume" if len(group) == 1 else "/console/executions/many",
        note="Goes on under the same id, with the code as it is now.",
        fields=(
            ("act", "resume"),
            ("status", "FAILED"),
            ("workflow", last.workflow),
            *[("id", identifier) for identifier in resumed],
        )
        if len(group) > 1
        else (),
    )


def _not_started(group: Sequence[Delivery], now: int) -> Concern:
    last = group[0]
    return Concern(
        "failed",
        f"{last.executor} could not start {counted(len(group), 'delivery')}, the last {ago(last.created_at, now)}",
        shortened(last.reason, 200),
        f"/console/events/{last.event_id}"
        if len(group) == 1
        else address("/console/events", executor=last.executor, outcome="failed"),
        "Replay" if len(group) == 1 else "Show",
        post=f"/console/events/{last.event_id}/replay" if len(group) == 1 else "",
        note="Holds the event against its executors again, as the files are now.",
    )


def _unknown(group: Sequence[WaitRecord], now: int) -> Concern:
    oldest, count = group[-1], len(group)
    calls = f"{count} calls" if count > 1 else "a call"
    return Concern(
        "rejected",
        f"{oldest.workflow}: nobody knows what became of {calls}",
        f"{oldest.path} was interrupted {ago(oldest.created_at, now)}, and is never run twice unasked",
        address(f"/console/executions/{oldest.execution_id}", job=oldest.path),
        "Settle",
    )


def _asked(group: Sequence[WaitRecord], now: int) -> Concern:
    oldest = group[-1]
    count = len(group)
    noun = f"{count} answers are" if count > 1 else "an answer is"
    return Concern(
        "WAITING",
        f"{oldest.name}: {noun} awaited by {oldest.workflow}",
        f"the oldest was asked {ago(oldest.created_at, now)}",
        f"/console/executions/{oldest.execution_id}#ask-1" if count == 1 else "/console/wait-points",
        "Answer",
    )


def _refused(group: Sequence[RefusedDelivery], now: int) -> Concern:
    last = group[0]
    return Concern(
        "rejected",
        f"{last.executor} refused {counted(len(group), 'delivery')}, the last {ago(last.received_at, now)}",
        f"{last.step}: {shortened(last.reason, 200)}",
        address(f"/console/executors/{last.executor}", tab="refused"),
        "Show",
    )
