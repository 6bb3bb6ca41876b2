"""Executors: what listens to what, what it starts, and how that went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from hub.client.overview import Funnel
from hub.console.page import Page
from hub.console.pages.gone import show_gone
from hub.console.rendering import address
from hub.console.showing.states import chip
from hub.console.showing.strips import Strip, strip
from hub.console.visit import Visit
from hub.dispatch.facts import args_of
from hub.dispatch.preview import Preview
from hub.model.errors import NotFound
from hub.model.executor import EventTrigger, Executor, ScheduleTrigger, WebhookTrigger
from hub.targets.target import aim
from hub.triggers.webhook.sign import usual_event
from hub.views.executors import executor_view

#: Executors on a page.
PAGE = 50
_LATEST = 16
_SHOWN, _REFUSED = 25, 100
#: Slots to come, on a page of them.
_COMING = 10
_SAMPLE_ROW = {"id": 1}


async def executors(visit: Visit) -> Response:
    after = visit.asked("after") or ""
    found = [one for one in visit.client.executors() if one.name > after]
    paused = await visit.client.paused()
    fires = await visit.client.fires_of([one.name for one in found[:PAGE] if one.kind == "schedule"])
    rows = []
    for one in found[:PAGE]:
        latest = await visit.client.deliveries(one.name, _LATEST)
        view = executor_view(one, paused=one.name in paused, invoker=visit.client.invoker_of(one.name))
        rows.append(
            {
                **view,
                "listens": listens(one),
                "invoker": view["invoker"] and view["invoker"]["name"],
                "latest": states_strip([(each.outcome.value, each.reason) for each in reversed(latest)]),
                "last": latest[0].created_at if latest else None,
                "next": fires.get(one.name),
                "may_pause": visit.may("executor:pause", one.name) and not one.disabled,
                "may_try": visit.may("executor:trigger", one.name),
            }
        )
    return visit.show("executors.html", rows=rows, next=found[PAGE - 1].name if len(found) > PAGE else None)


async def executor(visit: Visit) -> Response:
    name = visit.named("name")
    try:
        one = visit.client.executor(name)
    except NotFound as error:
        return await show_gone(visit, name, error)
    return await show_executor(visit, one, visit.asked("tab") or "")


async def show_executor(visit: Visit, one: Executor, wanted: str, **more: Any) -> Response:
    """The page, open at a tab; `more` is what that tab shows of something that was just tried."""
    tabs = _tabs(visit, one)
    tab = wanted if wanted in dict(tabs) else tabs[0][0]
    funnel = await visit.client.funnel(one.name)
    refused = []
    if one.kind == "webhook" and visit.may("webhook:read", one.name):
        refused = (await visit.client.refused_page(one.name, limit=_REFUSED)).items
    return visit.show(
        "executor.html",
        view=executor_view(
            one, paused=one.name in await visit.client.paused(), invoker=visit.client.invoker_of(one.name)
        ),
        here_page=f"/console/executors/{one.name}",
        listens=listens(one),
        webhook=await _webhook(visit, one),
        funnel=funnel,
        steps=_funnel_steps(one, funnel, len(refused)),
        tabs=tabs,
        tab=tab,
        source=one.source,
        refused=refused,
        **await _tab(visit, one, tab, more),
    )


def _tabs(visit: Visit, one: Executor) -> list[tuple[str, str]]:
    tabs = [("events", "Events"), ("executions", "Executions"), ("file", "File"), ("preview", "Preview")]
    if one.kind == "schedule":
        tabs.insert(0, ("slots", "Slots"))
    if one.kind == "webhook":
        tabs.insert(2, ("refused", "Refused"))
    if visit.may("executor:trigger", one.name):
        tabs.append(("test", "Test"))
    return tabs


async def _tab(visit: Visit, one: Executor, tab: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """What the open tab shows."""
    client = visit.client
    values: dict[str, Any] = {"events": [], "records": [], "instants": [], "slots": []}
    if tab == "preview":
        values |= await _preview(visit, one, more)
    elif tab == "test":
        values |= {"sample": await _sample(visit, one), "usual": usual_event(one) or ""}
    elif tab == "events":
        values["events"] = (await client.events_page(executor=one.name, limit=_SHOWN)).items
    elif tab == "executions":
        values["records"] = await client.started_by(one.name, _SHOWN)
    elif tab == "slots":
        after, before = visit.place("after"), visit.place("before")
        past = await client.slots_page(one.name, before=before, limit=_SHOWN)
        instants = client.next_slots(one.name, _COMING, after)
        values |= {"instants": instants, "slots": past.items, "older": past.last, "after": after, "before": before}
    return values


async def pause(visit: Visit) -> Response:
    name = visit.named("name")
    await visit.client.pause_executor(name, paused=True)
    return visit.back(_back(visit, name), f"{name} is paused. Its events are stored and start nothing.")


async def resume(visit: Visit) -> Response:
    name = visit.named("name")
    await visit.client.pause_executor(name, paused=False)
    return visit.back(_back(visit, name), f"{name} goes on.")


def _back(visit: Visit, name: str) -> str:
    """Where the act was asked for."""
    return "/console/executors" if visit.text("back") == "list" else f"/console/executors/{name}"


async def _preview(visit: Visit, one: Executor, more: Mapping[str, Any]) -> dict[str, Any]:
    """What would become of the event that is asked for, else of the latest one; or of what was pasted just now."""
    latest = (await visit.client.events_page(executor=one.name, limit=_LATEST)).items if visit.may("event:read") else []
    pasted: str | None = more.get("pasted")
    preview: Preview | None = more.get("preview")
    asked = visit.asked("event") or (latest[0][0].id if latest else None)
    if preview is None and asked is not None:
        preview = await visit.client.preview(one.name, event_id=asked)
    variables = aim(one).variables
    return {
        "preview": preview,
        "latest": latest,
        "asked": None if pasted is not None else asked,
        "sample": await _sample(visit, one) if pasted is None else pasted,
        "asks": [
            ("condition", one.condition, one.at("trigger", "condition"), preview and preview.condition),
            (
                "variables",
                variables if isinstance(variables, str | None) else json.dumps(variables, indent=2, ensure_ascii=False),
                one.at("target", one.target_kind, "variables"),
                preview and preview.variables,
            ),
        ],
    }


def listens(one: Executor) -> str:
    """What it listens to, in a few words."""
    match one.trigger:
        case EventTrigger(namespace, types, model):
            return f"{namespace}.{model} {', '.join(kind.removeprefix('record.') for kind in types)}"
        case WebhookTrigger(verify=verify, source=source):
            if source is not None:
                return f"shared with {source}"
            return "token in the address" if verify is None else str(verify.get("preset") or verify.get("type"))
        case ScheduleTrigger(cron=cron, timezone=timezone):
            return f"{cron} {timezone}"


async def _webhook(visit: Visit, one: Executor) -> str | None:
    if one.kind != "webhook" or not visit.may("webhook:address", one.name):
        return None
    return next((str(each["url"]) for each in await visit.client.webhooks() if each["executor"] == one.name), None)


def _funnel_steps(one: Executor, funnel: Funnel, refused: int) -> list[dict[str, Any]]:
    """Seen, verified, matched, started, succeeded: each a part of the one before."""
    started = funnel.outcomes.get("started", 0)
    others = ", ".join(f"{count} {name}" for name, count in sorted(funnel.outcomes.items()) if name != "started")
    ended = {name: funnel.statuses.get(name, 0) for name in ("SUCCESS", "FAILED")}
    going = sum(funnel.statuses.values()) - sum(ended.values())
    events = address("/console/events", executor=one.name)
    steps = [{"name": "seen", "count": funnel.seen + refused, "href": events, "note": ""}]
    if one.kind == "webhook":
        note = f"{refused} refused in the last 7 days" if refused else ""
        steps.append({"name": "verified", "count": funnel.seen, "href": events, "note": note})
    steps += [
        {"name": "matched", "count": funnel.matched, "href": "", "note": others},
        {
            "name": "started",
            "count": started,
            "href": address("/console/events", executor=one.name, outcome="started"),
            "note": "",
        },
        {
            "name": "succeeded",
            "count": ended["SUCCESS"],
            "href": address("/console/executions", executor=one.name, status="SUCCESS"),
            "note": ", ".join(
                [
                    *([f"{ended['FAILED']} failed"] if ended["FAILED"] else []),
                    *([f"{going} not ended"] if going else []),
                ]
            ),
        },
    ]
    return steps


def states_strip(latest: Sequence[tuple[str, str]]) -> Strip:
    """A bar for each of the latest outcomes, all of one height: their tone is what counts."""
    empty = _LATEST - len(latest)
    tones = ["none"] * empty + [f"tone-{chip(state).tone}" for state, _ in latest]
    titles = ["nothing"] * empty + [f"{state}: {reason}" for state, reason in latest]
    return strip([0] * empty + [1] * len(latest), titles, tones)


async def _sample(visit: Visit, one: Executor) -> str:
    """What a form begins with: what came last, else the smallest thing of its kind."""
    if one.kind == "schedule":
        return ""
    latest = (await visit.client.events_page(executor=one.name, limit=1)).items if visit.may("event:read") else []
    if not latest:
        return json.dumps(_SAMPLE_ROW if one.kind == "event" else {}, indent=2)
    args = args_of(latest[0][0])
    value = {name: args[name] for name in ("newRecord", "oldRecord")} if one.kind == "event" else args.get("body")
    return json.dumps(value, indent=2, ensure_ascii=False)


PAGES = (
    Page("/executors", "executor:read", executors),
    Page("/executors/{name}", "executor:read", executor),
    Page("/executors/{name}/pause", "executor:pause", pause, method="POST"),
    Page("/executors/{name}/resume", "executor:pause", resume, method="POST"),
)
