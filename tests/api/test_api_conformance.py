"""Requests made up from the OpenAPI document, good and bad ones, against a real server: every answer is as it is described."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from api_site import ApiSite, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import PATIENCE
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from hub.api.openapi import document
from hub.api.server import HttpServer

load_all_checks()
_CHECKS = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    ]
)


class Served:
    """A hub that serves in a thread, with things in it that a request may name."""

    def __init__(self, root: Path) -> None:
        self.address = ""
        self.document: dict[str, Any] = {}
        self.known: dict[str, list[str]] = {"name": ["number-hook", "nightly", "adding", "asking"]}
        self._root = root
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with opened(self._root) as hub:
            server = HttpServer("127.0.0.1", 0)
            server.bind()
            await server.start(hub.app)
            try:
                await self._fill(hub)
                self.address = server.address
                self.document = document(hub.operations, server.address)
                self._ready.set()
                await self._stop.wait()
            finally:
                self._ready.set()
                hub.live.close()
                await server.stop()

    async def _fill(self, hub: ApiSite) -> None:
        event = await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": 1}}, status=201)
        # Its stream ends; that of one that waits would not.
        ended = [await hub.run("adding", {"n": 1}), await hub.run("failing")]
        await hub.run("asking", {"n": 1})
        self.known |= {"id": [*ended, event["id"]], "key": ["approval"]}

    @contextmanager
    def running(self) -> Iterator[Served]:
        self._thread.start()
        try:
            assert self._ready.wait(PATIENCE)
            assert self.address
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("hub")).running() as made:
        yield made


def explore(served: Served, examples: int) -> int:
    schema = schemathesis.openapi.from_dict(served.document)
    schema.config.update(base_url=served.address)
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
                continue

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=examples < 20,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
            def one(case: Any, data: Any) -> None:
                nonlocal asked
                for name in case.path_parameters or {}:
                    if name in served.known and data.draw(st.booleans()):
                        case.path_parameters[name] = data.draw(st.sampled_from(served.known[name]))
                answer = case.call(headers={"authorization": "Bearer admin"}, timeout=PATIENCE)
                case.validate_response(answer, checks=_CHECKS)
                asked += 1

            one()
    return asked


def test_answers_are_as_the_document_says(served: Served) -> None:
    assert explore(served, 5) > 150


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_many_answers_are_as_the_document_says(served: Served) -> None:
    assert explore(served, 300) > 5_000
