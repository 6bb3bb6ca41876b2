"""A live execution over a real socket: each line soon after it is written, once, also across a break; and bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_site import ApiSite, opened
from kit import PATIENCE

from hub.api import live
from hub.api.server import HttpServer
from hub.model.clock import SystemClock

SLOW = """

import asyncio
from hub import job, workflow, Context


@job
async def talk(input: dict, ctx: Context) -> str:
    for n in range(5):
        ctx.log.info("line %d", n)
        await asyncio.sleep(0.25)
    return "said"


talking = workflow(name="talking", main_job=talk)
"""


@asynccontextmanager
async def listening(root: Path) -> AsyncIterator[tuple[ApiSite, httpx.AsyncClient]]:
    (root / "workflows").mkdir()
    (root / "workflows" / "slow.py").write_text(SLOW)
    async with opened(root) as hub:
        server = HttpServer("127.0.0.1", 0)
        server.bind()
        await server.start(hub.app)
        try:
            async with httpx.AsyncClient(
                base_url=server.address, headers={"authorization": "Bearer admin"}, timeout=PATIENCE
            ) as http:
                yield hub, http
        finally:
            hub.live.close()
            await server.stop()


def play(root: Path, story: Callable[[ApiSite, httpx.AsyncClient], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with listening(root) as (hub, http):
            await story(hub, http)

    asyncio.run(whole())


async def events(http: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[tuple[str, str, Any, int]]:
    """(kind, id, data, when it came)."""
    async with http.stream("GET", path, headers=headers, timeout=PATIENCE) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                yield fields["event"], fields.get("id", ""), json.loads(fields["data"]), SystemClock().now()
                fields = {}


async def begin(hub: ApiSite) -> tuple[str, asyncio.Task[None]]:
    started = await hub.post("/api/v1/workflows/talking/executions", {"invoker": "anonymous"}, status=201)
    return started["id"], asyncio.create_task(hub.work())


def test_each_line_comes_soon_and_the_end_comes_last(quick_path: Path) -> None:
    async def story(hub: ApiSite, http: httpx.AsyncClient) -> None:
        execution_id, working = await begin(hub)
        seen, late = [], []
        async for kind, _, data, came in events(http, f"/api/v1/executions/{execution_id}/stream"):
            seen.append((kind, data.get("status") or data.get("message")))
            if kind == "log":
                line = (await hub.parts.store.logs(execution_id))[data["number"] - 1][1]
                late.append(came - line.at)
        await working
        assert [text for kind, text in seen if kind == "log"] == [f"line {n}" for n in range(5)]
        assert seen[-1] == ("end", "SUCCESS")
        assert ("execution", "RUNNING") in seen
        assert [text for kind, text in seen if kind == "execution"][-1] == "SUCCESS"
        assert [text for kind, text in seen if kind == "job"][-1] == "SUCCESS"
        assert sorted(late)[-2] < 300, late

    play(quick_path, story)


def test_after_a_break_the_lines_go_on_where_they_were(quick_path: Path) -> None:
    async def story(hub: ApiSite, http: httpx.AsyncClient) -> None:
        execution_id, working = await begin(hub)
        path = f"/api/v1/executions/{execution_id}/stream"
        last = ""
        async for kind, number, _, _ in events(http, path):
            if kind == "log":
                last = number
                break
        await working
        again = [
            data["message"] async for kind, _, data, _ in events(http, path, **{"last-event-id": last}) if kind == "log"
        ]
        assert again == [f"line {n}" for n in range(1, 5)]
        assert hub.live.following == 0, "whoever leaves gives back the place"

    play(quick_path, story)


def test_there_is_an_end_to_streams_and_a_stop_ends_them(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_OF_ONE", 2)

    async def story(hub: ApiSite, http: httpx.AsyncClient) -> None:
        asking = await hub.run("asking", {"n": 1})
        path = f"/api/v1/executions/{asking}/stream"
        streams = [events(http, path) for _ in range(2)]
        for stream in streams:
            assert (await anext(stream))[0] == "execution"
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        other = await http.get(path, headers={"authorization": "Bearer viewer"}, params={"after": "x"})
        assert other.status_code == 400
        head = await http.head(path, headers={"authorization": "Bearer viewer"})
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        hub.live.close()
        for stream in streams:
            assert [kind async for kind, *_ in stream if kind != "job"] == []

    play(quick_path, story)


def test_who_may_not_read_it_gets_no_stream(quick_path: Path) -> None:
    async def story(hub: ApiSite, http: httpx.AsyncClient) -> None:
        done = await hub.run("adding", {"n": 1})
        for token, status in (("idle", 403), ("bot", 403), ("nobody", 401)):
            answer = await http.get(f"/api/v1/executions/{done}/stream", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == status
        answer = await http.get("/api/v1/executions/01ARZ3NDEKTSV4RRFFQ69G5FAV/stream")
        assert answer.status_code == 404

    play(quick_path, story)
