"""What holds for every answer of the API: problems that tell what to do, media types, headers, sizes, and an end to waiting."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api_site import ApiSite, play

from hub.api import routing
from hub.api.operations import PUBLIC, Operation, Undeclared, check_declared
from hub.api.problems import status_of
from hub.api.resources import OPERATIONS
from hub.expressions.process import CannotEvaluate
from hub.model.errors import HubError, StoreUnavailable
from hub.model.event import NewEvent
from hub.targets.outgoing import FetchFailed
from hub.triggers.record_events.watched import DatabaseUnavailable


@pytest.mark.parametrize(
    ("method", "path", "how", "status", "says"),
    [
        ("GET", "/api/v1/executors/number-hok", {}, 404, 'Did you mean "number-hook"?'),
        ("GET", "/api/v1/executions?limt=3", {}, 400, 'Did you mean "limit"?'),
        ("GET", "/api/v1/executions?limit=3&limit=4", {}, 400, "more than once"),
        ("GET", "/api/v1/executions?limit=0", {}, 400, "minimum 1"),
        ("GET", "/api/v1/executions?limit=-1", {}, 400, "minimum 1"),
        ("GET", "/api/v1/executions?cursor=bm90", {}, 400, "next_cursor"),
        ("GET", "/api/v1/executions?status=DONE", {}, 400, "status"),
        ("GET", "/api/v1/executions?since=yesterday", {}, 400, "ISO 8601"),
        ("GET", "/api/v1/executions/%00", {}, 404, "there is no id"),
        ("POST", "/api/v1/workflows/adding/executions", {"content": b"{"}, 400, "cannot be read"),
        ("POST", "/api/v1/workflows/adding/executions", {"content": b'{"args":1,"args":2}'}, 400, "same key twice"),
        ("POST", "/api/v1/workflows/adding/executions", {"content": b"[" * 70 + b"]" * 70}, 400, "nested deeper"),
        ("POST", "/api/v1/workflows/adding/executions", {"json": {"arg": 1}}, 422, "other members than args"),
        ("POST", "/api/v1/workflows/adding/executions", {"json": {"args": {"n": "x"}}}, 422, "$.n"),
        ("POST", "/api/v1/workflows/adding/executions", {"json": {"invoker": "nobody"}}, 404, "machine user"),
        ("POST", "/api/v1/workflows/adding/executions", {"content": b" " * 1_048_577}, 413, "longer than"),
        ("POST", "/api/v1/executors/nightly/pause", {"json": {"for": "ever"}}, 400, "no body"),
        ("GET", "/api/v1/schedules/number-hook/next", {}, 422, "no schedule"),
        ("GET", "/api/v1/executions/", {}, 404, "nothing here"),
        ("PUT", "/api/v1/executions", {}, 405, "not taken here"),
    ],
)
def test_problems_tell_what_to_do_and_nothing_else(
    quick_path: Path, method: str, path: str, how: dict[str, Any], status: int, says: str
) -> None:
    async def story(hub: ApiSite) -> None:
        headers = {"content-type": "application/json"} if "content" in how else {}
        answer = await hub.ask(method, path, headers=headers, **how)
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (status, status), problem
        assert answer.headers["content-type"] == "application/problem+json"
        assert says in problem["detail"]
        assert len(problem["id"]) == 16
        assert set(problem) == {"type", "title", "status", "detail", "id"}

    play(quick_path, story)


def test_only_json_is_taken_so_that_no_form_of_a_browser_is(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        answer = await hub.ask(
            "POST",
            "/api/v1/workflows/adding/executions",
            content=b'{"invoker": "anonymous"}',
            headers={"content-type": "text/plain"},
        )
        assert answer.status_code == 415

    play(quick_path, story)


def test_every_answer_has_the_headers_that_make_it_harmless(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        for path, token in (
            ("/healthz", None),
            ("/openapi.json", None),
            ("/nothing", None),
            ("/api/v1/executors", "admin"),
            ("/api/v1/executors", None),
            ("/api/v1/executions/NONE", "admin"),
        ):
            answer = await hub.ask("GET", path, token)
            for name, value in {
                "cache-control": "no-store",
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
                "cross-origin-opener-policy": "same-origin",
                "cross-origin-resource-policy": "same-origin",
                "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
            }.items():
                assert answer.headers.get(name) == value, (path, name)
            assert "access-control-allow-origin" not in answer.headers
            assert "server" not in answer.headers
            assert len(answer.headers.get_list("cache-control")) == 1

    play(quick_path, story)


def test_a_page_of_large_things_is_shorter_and_the_next_one_goes_on(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        now = hub.parts.clock.now()
        for n in range(5):
            await hub.parts.store.store_event(
                NewEvent("webhook:number-hook", str(n), "push", now, {}, body=b"x" * 3_000_000)
            )
            await hub.run("adding", {"n": n})
        seen, query = [], {}
        for size in (2, 2, 1):
            page = await hub.get("/api/v1/events", **query)
            seen += [one["key"] for one in page["items"]]
            assert len(page["items"]) == size
            query = {"cursor": page["next_cursor"]}
        assert (sorted(seen), page["next_cursor"]) == (["0", "1", "2", "3", "4"], None)
        assert len((await hub.get("/api/v1/executions"))["items"]) == 5

    play(quick_path, story)


def test_a_store_that_others_hold_is_not_waited_for_for_ever(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(hub: ApiSite) -> None:
        path = "/api/v1/workflows/adding/executions"
        body = {"invoker": "anonymous", "idempotency_key": "once"}
        with closing(sqlite3.connect(quick_path / "var/hub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with monkeypatch.context() as patch:
                patch.setattr(routing, "PATIENCE", 0.3)
                answer = await hub.ask("POST", path, json=body)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "may have been done, or be done yet. Look before you ask again" in answer.json()["detail"]
            assert (await hub.get("/api/v1/executions"))["items"] == [], "reading goes on"
            other.execute("ROLLBACK")
        started = await hub.post(path, body, status=201)
        assert [one["id"] for one in (await hub.get("/api/v1/executions"))["items"]] == [started["id"]], "once"

    play(quick_path, story)


def test_a_route_that_does_not_say_who_may_use_it_stops_the_start() -> None:
    async def handle(_call: Any) -> None: ...

    def declared(**other: Any) -> Operation:
        return Operation(**{"method": "GET", "path": "/x", "id": "x", "summary": "", "handle": handle, **other})

    check_declared([*OPERATIONS, declared(action=PUBLIC)])
    for wrong in (
        declared(action=""),
        declared(action="execution:raed"),
        declared(action="execution:read", names="name"),
        declared(action=PUBLIC, path="/X"),
        declared(action=PUBLIC, id="getExecution"),
        declared(action=PUBLIC, path="/api/v1/executions/{other}"),
    ):
        with pytest.raises(Undeclared):
            check_declared([*OPERATIONS, wrong])
    with pytest.raises(TypeError):
        declared()


def test_what_may_work_later_is_told_apart_from_a_fault() -> None:
    def family(kind: type[HubError]) -> set[type[HubError]]:
        return {kind}.union(*map(family, kind.__subclasses__()))

    # Not the classes under which other tests had errors of jobs made anew.
    known = {kind for kind in family(HubError) if vars(sys.modules[kind.__module__]).get(kind.__name__) is kind}
    assert {CannotEvaluate, DatabaseUnavailable, FetchFailed, StoreUnavailable} <= known
    for kind in known:
        status = status_of(kind.__new__(kind))
        assert (status in (429, 503)) == kind.retryable, (kind, status)
