"""Executions: what ran, how its time was spent, and what can be done about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from hub.client.listing import Page as Listed
from hub.console.page import Page
from hub.console.pages.events import given_json
from hub.console.rendering import address
from hub.console.showing.questions import Question, answer, question
from hub.console.showing.waterfall import waterfall
from hub.console.visit import Visit
from hub.engine.going_on import Again, Failed
from hub.model.counted import counted
from hub.model.durations import milliseconds
from hub.model.errors import BadInput, HubError, NotFound
from hub.model.execution import ENDED, Checkpoint, ExecutionRecord, LogLine, Status
from hub.model.wait import WaitKind, WaitRecord, WaitState

PAGE = 50
_NEW = 50
_LOG_LINES = 1_000
#: How far back one may ask to see.
_AGES = ("1h", "24h", "7d")
_ACTS = {
    Status.FAILED.value: (("resume", "Resume"),),
    **{
        one.value: (("cancel", "Cancel"),)
        for one in (Status.PENDING, Status.RUNNING, Status.WAITING, Status.PENDING_RETRY, Status.PENDING_RESUME)
    },
}


async def executions(visit: Visit) -> Response:
    filters, before = _filters(visit.asked), visit.asked("before")
    page = await _page(visit, filters, PAGE, before)
    acts = [one for one in _ACTS.get(filters["status"] or "", ()) if visit.may(f"execution:{one[0]}")]
    return visit.show(
        "executions.html",
        records=page.items,
        filters=filters,
        before=before,
        acts=acts if len(page.items) > 1 else [],
        next=page.last,
        statuses=[one.value for one in Status],
        workflows=[one.name for one in visit.client.workflows()],
        executors=[one.name for one in visit.client.executors()] if visit.may("executor:read") else [],
        ages=list(_AGES),
    )


def _filters(asked: Callable[[str], Any]) -> dict[str, str | None]:
    """What the list is narrowed to, as its links and its form say it."""
    return {name: asked(name) or None for name in ("workflow", "status", "executor", "since")}


async def _page(
    visit: Visit, filters: Mapping[str, str | None], limit: int, before: str | None = None
) -> Listed[ExecutionRecord]:
    age = filters["since"]
    if age is not None and age not in _AGES:
        raise NotFound("age", age, _AGES)
    return await visit.client.executions_page(
        workflow=filters["workflow"],
        status=filters["status"],
        executor=filters["executor"],
        since=None if age is None else visit.now - milliseconds(age),
        before=before,
        limit=limit,
    )


async def newer(visit: Visit) -> Response:
    """How many there are that the page does not show yet."""
    filters, after = _filters(visit.asked), visit.asked("after") or ""
    found = (await _page(visit, filters, _NEW)).items
    href = address("/console/executions", **filters)
    return visit.show("newer.html", count=sum(one.id > after for one in found), most=_NEW, href=href)


async def many(visit: Visit) -> Response:
    """Resume or cancel the executions of a page."""
    act = visit.form.get("act")
    if act not in ("resume", "cancel"):
        raise BadInput("there is nothing to do: the form names neither resume nor cancel.")
    verb = visit.client.resume if act == "resume" else visit.client.cancel
    done, why = 0, ""
    ids = [str(one) for one in visit.form.getlist("id")][:PAGE]
    for identifier in ids:
        try:
            await verb(identifier)
            done += 1
        except HubError as error:
            why = f" Of the others: {error}"
    word = "resumed" if act == "resume" else "cancelled"
    where = address("/console/executions", **_filters(visit.form.get))
    return visit.back(where, f"{done} of {counted(len(ids), 'execution')} {word}.{why}", bad=done < len(ids))


async def execution(visit: Visit) -> Response:
    values = await look(visit, visit.named("id"))
    record: ExecutionRecord = values["record"]
    lines = await visit.client.logs(record.id) if visit.may("execution:logs", record.workflow) else []
    lines = lines[-_LOG_LINES:]
    path = visit.asked("job")
    points = await visit.client.wait_points(execution_id=record.id) if visit.may("wait-point:read") else []
    values |= _job(record, path, lines, values["waits"]) if path else {}
    return visit.show(
        "execution.html",
        **values,
        lines=lines,
        last_line=lines[-1][0] if lines else 0,
        live=record.status not in ENDED,
        asked=points if record.status not in ENDED else [],
        questions=questions(visit, points),
        children=await visit.client.started_within(record.id),
    )


async def look(visit: Visit, identifier: str) -> dict[str, Any]:
    """What the pieces of the page show that change while it runs."""
    record = await visit.client.execution(identifier)
    waits = await visit.client.waits_of(identifier)
    unfold = visit.request.query_params.getlist("unfold")
    return {
        "record": record,
        "waits": waits,
        "fall": waterfall(record, waits, visit.now, unfold=unfold),
        "here_page": f"/console/executions/{record.id}",
        "job": None,
    }


async def job(visit: Visit) -> Response:
    """One call, for the side panel."""
    record = await visit.client.execution(visit.named("id"))
    path = visit.asked("path") or ""
    if not visit.part:
        return await execution(visit)
    lines = await visit.client.logs(record.id) if visit.may("execution:logs", record.workflow) else []
    waits = await visit.client.waits_of(record.id)
    return visit.show("job.html", record=record, **_job(record, path, lines, waits))


async def resume(visit: Visit) -> Response:
    identifier = visit.named("id")
    await visit.client.resume(identifier)
    return visit.back(_back(visit, identifier), "It goes on. Jobs that had finished keep their results.")


async def cancel(visit: Visit) -> Response:
    identifier = visit.named("id")
    await visit.client.cancel(identifier)
    return visit.back(_back(visit, identifier), "Cancelled. No further job starts.")


async def fork(visit: Visit) -> Response:
    """A new execution that keeps what came before a call."""
    begun = await visit.client.fork(visit.named("id"), visit.text("path"))
    return visit.back(f"/console/executions/{begun.id}", "A new execution, which keeps what came before that call.")


async def settle(visit: Visit) -> Response:
    """A person's word for what became of a call that was interrupted."""
    identifier, act = visit.named("id"), visit.text("act")
    said: Any
    if act == "again":
        said = Again.AGAIN
    elif act == "failed":
        said = Failed(f"{visit.person.name} found that it had no effect")
    else:
        said = given_json(visit.text("json"))
    await visit.client.settle(identifier, visit.text("path"), said)
    return visit.back(f"/console/executions/{identifier}", "Settled.")


async def answered(visit: Visit) -> Response:
    identifier, key = visit.named("id"), str(visit.form.get("key", ""))
    asked = question(visit.client.answer_schema(key.partition(":")[0]))
    given = answer(asked, visit.form)
    await visit.client.resolve_wait_point(identifier, key, given)
    return visit.back(_back(visit, identifier), "Answered. The execution goes on with it.")


def questions(visit: Visit, waits: list[WaitRecord]) -> dict[str, Question]:
    """The form of each wait point, by its name."""
    return {name: question(visit.client.answer_schema(name)) for name in {one.name for one in waits}}


def _back(visit: Visit, identifier: str) -> str:
    """Where the act was asked for, when that is one of the console's pages; else the execution."""
    wanted = str(visit.form.get("back", ""))
    known = ("/console", "/console/wait-points")
    return wanted if wanted in known else f"/console/executions/{identifier}"


def _job(
    record: ExecutionRecord, path: str, lines: Sequence[tuple[int, LogLine]], waits: Sequence[WaitRecord]
) -> dict[str, Any]:
    found: Checkpoint | None = next((one for one in record.jobs if one.path == path), None)
    if found is None:
        raise NotFound("call", path, [one.path for one in record.jobs])
    return {
        "job": found,
        "job_args": json.loads(found.args),
        "job_result": None if found.result is None else json.loads(found.result),
        "error": {} if found.error is None else json.loads(found.error),
        "unknown": any(
            one.path == path and one.kind is WaitKind.OUTCOME and one.state is WaitState.WAITING for one in waits
        ),
        "job_lines": [(number, line) for number, line in lines if line.path == path],
    }


PAGES = (
    Page("/executions", "execution:read", executions),
    Page("/executions/newer", "execution:read", newer),
    Page("/executions/many", "execution:read", many, method="POST"),
    Page("/executions/{id}", "execution:read", execution),
    Page("/executions/{id}/job", "execution:read", job),
    Page("/executions/{id}/resume", "execution:resume", resume, method="POST"),
    Page("/executions/{id}/cancel", "execution:cancel", cancel, method="POST"),
    Page("/executions/{id}/fork", "execution:fork", fork, method="POST"),
    Page("/executions/{id}/settle", "execution:settle", settle, method="POST"),
    Page("/executions/{id}/answer", "wait-point:resolve", answered, method="POST"),
)
