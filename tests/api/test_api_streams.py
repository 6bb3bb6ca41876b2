"""A live execution over a real socket: each line when it is written, once, also across a break; and bounded."""

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

SLOW = """

import asyncio
import os
from hub import job, workflow, Context


@job
async def talk(input: dict, ctx: Context) -> str:
    for n in range(5):
        ctx.log.info("line %d", n)
        while not os.path.exists(f"{input['heard']}/{n}"):
            await asyncio.sleep(0.005)
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


async def events(http: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[tuple[str, str, Any]]:
    """(kind, id, data)."""
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
                yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
                fields = {}


async def begin(hub: ApiSite, heard: Path) -> tuple[str, asyncio.Task[None]]:
    """It writes a line when the one before was heard: when there is a file of its number."""
    body = {"invoker": "anonymous", "args": {"heard": str(heard)}}
    started = await hub.post("/api/v1/workflows/talking/executions", body, status=201)
    return started["id"], asyncio.create_task(hub.work())


def test_each_line_comes_before_the_next_one_and_the_end_comes_last(quick_path: Path) -> None:
    async def story(hub: ApiSite, http: httpx.AsyncClient) -> None:
        (heard := quick_path / "heard").mkdir()
        execution_id, working = await begin(hub, heard)
        seen = []
        async for kind, _, data in events(http, f"/api/v1/executions/{execution_id}/stream"):
            seen.append((kind, data.get("status") or data.get("message")))
            if kind == "log":
                (heard / str(data["number"] - 1)).touch()
        await working
        assert [text for kind, text in seen if kind == "log"] == [f"line {n}" for n in range(5)]
        assert seen[-1] == ("end", "SUCCESS")
        assert ("execution", "RUNNING") in seen
        assert [text for kind, text in seen if kind == "execution"][-1] == "SUCCESS"
        assert [text for kind, text in seen if kind == "job"][-1] == "SUCCESS"

    play(quick_path, story)


def test_after_a_break_the_lines_go_on_where_they_were(quick_path: Path) -> None:
    async def story(hub: ApiSite, http: httpx.AsyncClient) -> None:
        (heard := quick_path / "heard").mkdir()
        execution_id, working = await begin(hub, heard)
        path = f"/api/v1/executions/{execution_id}/stream"
        last = ""
        async for kind, number, _ in events(http, path):
            if kind == "log":
                last = number
                break
        for number in range(5):
            (heard / str(number)).touch()
        await working
        again = [
            data["message"] async for kind, _, data in events(http, path, **{"last-event-id": last}) if kind == "log"
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
