"""Events: what was noticed, and what became of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from hub.console.page import Page
from hub.console.rendering import address
from hub.console.showing.payloads import matches
from hub.console.visit import Visit
from hub.dispatch.facts import args_of
from hub.model.counted import counted
from hub.model.errors import BadInput
from hub.model.event import Delivery, Event, Outcome

PAGE = 50
#: Events that are looked through at a time for a field of the payload, and seconds that one page may spend on it.
_CHUNK, _BUDGET = 200, 0.12
_RAW = 65_536
#: By then executors have met an event.
_DISPATCHED_MS = 1_000
#: At most so many are said to be new.
_NEW = 50


async def events(visit: Visit) -> Response:
    executor, outcome, before = visit.asked("executor"), visit.asked("outcome"), visit.asked("before")
    where = visit.asked("where")
    if where:
        looked = await _search(visit, where, executor=executor, outcome=outcome, before=before)
    else:
        page = await visit.client.events_page(executor=executor, outcome=outcome, before=before, limit=PAGE)
        looked = _Looked(page.items, page.last)
    return visit.show(
        "events.html",
        events=looked.found,
        executor=executor,
        outcome=outcome,
        where=where,
        before=before,
        looked=looked,
        follow=visit.asked("follow") is not None and not where and before is None,
        after=looked.found[0][0].id if looked.found else "",
        next=looked.next,
        outcomes=[one.value for one in Outcome],
        executors=[one.name for one in visit.client.executors()],
    )


@dataclass(slots=True)
class _Looked:
    """A page of events, and where the next one begins."""

    found: list[tuple[Event, list[Delivery]]]
    next: str | None
    #: Events that were looked through, and when the last of them came.
    count: int = 0
    until: int | None = None


async def _search(
    visit: Visit, where: str, *, executor: str | None, outcome: str | None, before: str | None
) -> _Looked:
    """Backwards from `before`, until a page is full, the time for it is over, or there are no more."""
    clock = visit.installation.clock
    began = clock.monotonic()
    looked = _Looked([], before)
    while True:
        page = await visit.client.events_page(executor=executor, outcome=outcome, before=looked.next, limit=_CHUNK)
        for event, met in page.items:
            looked.count, looked.until, looked.next = looked.count + 1, event.received_at, event.id
            if matches(args_of(event), where):
                looked.found.append((event, met))
                if len(looked.found) == PAGE:
                    return looked
        looked.next = page.last
        if page.last is None or clock.monotonic() - began > _BUDGET:
            return looked


async def newer(visit: Visit) -> Response:
    """How many there are that the page does not show yet."""
    executor, outcome, after = visit.asked("executor"), visit.asked("outcome"), visit.asked("after") or ""
    page = await visit.client.events_page(executor=executor, outcome=outcome, limit=_NEW)
    count = sum(event.id > after for event, _ in page.items)
    href = address("/console/events", executor=executor, outcome=outcome)
    return visit.show("newer.html", count=count, most=_NEW, href=href)


async def tail(visit: Visit) -> Response:
    """Those that came behind `after`, for a page that follows; each once it has met its executors."""
    executor, outcome, after = visit.asked("executor"), visit.asked("outcome"), visit.asked("after") or ""
    page = await visit.client.events_page(executor=executor, outcome=outcome, limit=_NEW)
    come = [(event, met) for event, met in page.items if event.id > after]
    # What executors have not met yet is shown when they have, and nothing that came behind it before.
    waiting = [event.id for event, met in come if not met and visit.now - event.received_at < _DISPATCHED_MS]
    come = [(event, met) for event, met in come if not waiting or event.id < waiting[-1]]
    last = come[0][0].id if come else after
    return visit.show("tail.html", events=come, after=last, executor=executor, outcome=outcome)


async def event(visit: Visit) -> Response:
    found, deliveries = await visit.client.event(visit.named("id"))
    executors = visit.client.executors() if visit.may("executor:read") else []
    statuses = await visit.client.statuses([one.execution_id for one in deliveries if one.execution_id])
    tabs = [
        "parsed",
        *(["raw"] if found.body is not None else []),
        *(["headers"] if "headers" in found.payload else []),
    ]
    return visit.show(
        "event.html",
        event=found,
        deliveries=deliveries,
        steps=visit.client.passed(found),
        conditions={one.name: one.condition for one in executors if one.condition},
        known={one.name for one in executors},
        statuses=statuses,
        dispatched=bool(deliveries) or visit.now - found.received_at > _DISPATCHED_MS,
        tabs=tabs,
        tab=visit.asked("tab") or "parsed",
        args=args_of(found),
        raw=(found.body or b"")[:_RAW].decode(errors="replace"),
        cut=len(found.body or b"") > _RAW,
        headers=_lines(found.payload.get("headers") or {}),
    )


async def replay(visit: Visit) -> Response:
    identifier = visit.named("id")
    deliveries = await visit.client.replay(identifier)
    told = ", ".join(f"{one.executor}: {one.outcome.value}" for one in deliveries) or "no executor is concerned"
    bad = any(one.outcome is Outcome.FAILED for one in deliveries)
    return visit.back(f"/console/events/{identifier}", f"Replayed. {told}.", bad=bad)


async def many(visit: Visit) -> Response:
    """Replay the events of a page."""
    executor = visit.text("executor") or None
    ids = [str(one) for one in visit.form.getlist("id")][:PAGE]
    became: Counter[str] = Counter()
    for identifier in ids:
        deliveries = await visit.client.replay(identifier, None if executor is None else [executor])
        became.update(one.outcome.value for one in deliveries)
    told = ", ".join(f"{count} {name}" for name, count in sorted(became.items())) or "nothing came of it"
    where = address("/console/events", outcome=visit.text("outcome"), executor=executor, where=visit.text("where"))
    return visit.back(where, f"{counted(len(ids), 'event')} replayed: {told}.", bad=Outcome.FAILED.value in became)


def _lines(headers: dict[str, Any]) -> list[tuple[str, str]]:
    """A line a header; one that came several times has several."""
    return [
        (name, one if isinstance(one, str) else json.dumps(one, ensure_ascii=False))
        for name, value in sorted(headers.items())
        for one in (value if isinstance(value, list) else [value])
    ]


def given_json(text: Any) -> Any:
    """What a person typed as JSON; nothing is None. Raises BadInput."""
    try:
        return json.loads(text) if isinstance(text, str) and text.strip() else None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"this is not JSON: {error}") from None


PAGES = (
    Page("/events", "event:read", events),
    Page("/events/many", "event:replay", many, method="POST"),
    Page("/events/newer", "event:read", newer),
    Page("/events/tail", "event:read", tail),
    Page("/events/{id}", "event:read", event),
    Page("/events/{id}/replay", "event:replay", replay, method="POST"),
)
