"""Events: what was noticed, and what became of it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from starlette.responses import Response

from hub.console.page import Page
from hub.console.rendering import address
from hub.console.showing.payloads import matches
from hub.console.visit import Visit
from hub.dispatch.facts import args_of
from hub.model.errors import BadInput
from hub.model.event import Outcome

PAGE = 50
#: How many events are looked through for a field of the payload.
SEARCHED = 1_000
_RAW = 65_536
#: By then executors have met an event.
_DISPATCHED_MS = 1_000
#: At most so many are said to be new.
_NEW = 50


async def events(visit: Visit) -> Response:
    executor, outcome, before = visit.asked("executor"), visit.asked("outcome"), visit.asked("before")
    where = visit.asked("where")
    limit = SEARCHED if where else PAGE
    page = await visit.client.events_page(executor=executor, outcome=outcome, before=before, limit=limit)
    found, searched = page.items, len(page.items)
    if where:
        found = [(event, met) for event, met in found if matches(args_of(event), where)][:PAGE]
    return visit.show(
        "events.html",
        events=found,
        executor=executor,
        outcome=outcome,
        where=where,
        before=before,
        searched=searched,
        next=page.last,
        outcomes=[one.value for one in Outcome],
        executors=[one.name for one in visit.client.executors()],
    )


async def newer(visit: Visit) -> Response:
    """How many there are that the page does not show yet."""
    executor, outcome, after = visit.asked("executor"), visit.asked("outcome"), visit.asked("after") or ""
    page = await visit.client.events_page(executor=executor, outcome=outcome, limit=_NEW)
    count = sum(event.id > after for event, _ in page.items)
    href = address("/console/events", executor=executor, outcome=outcome)
    return visit.show("newer.html", count=count, most=_NEW, href=href)


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
    where = address("/console/events", outcome=visit.text("outcome"), executor=executor)
    return visit.back(where, f"{len(ids)} events replayed: {told}.", bad=Outcome.FAILED.value in became)


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
    Page("/events/{id}", "event:read", event),
    Page("/events/{id}/replay", "event:replay", replay, method="POST"),
)
