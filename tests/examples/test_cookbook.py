"""docs/cookbook.md is true: its files make one sound project, each executor starts what it says, and each workflow is played."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import shlex
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from hub import JobFailed
from hub.assembly.files import read_files
from hub.assembly.parts import open_parts
from hub.cli import cli
from hub.model.event import Event, Outcome
from hub.model.execution import Status
from hub.testing import VirtualEngine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cookbook.md").read_text()
ENVIRONMENT = {"STRIPE_WEBHOOK": "whsec_a-secret-of-some-length", "ERP": "another-secret-of-some-length"}

#: Where a file goes -> its text.
FILES = {
    name: text for text, name in re.findall(r"^```(?:yaml|python)\n(# (\S+)\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """All of them, with this repository's config/hub.yaml."""
    for name, text in {**FILES, "config/hub.yaml": (ROOT / "config/hub.yaml").read_text()}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "var").mkdir()
    with closing(sqlite3.connect(tmp_path / "var/shop.db")) as shop:
        shop.executescript((ROOT / "config/shop.sql").read_text())
    return tmp_path


def test_every_piece_is_a_file_and_all_together_are_a_sound_project(project: Path) -> None:
    assert len(FILES) == len(re.findall(r"^```(?:yaml|python)$", PAGE, re.MULTILINE)) > 12
    assert read_files(project, ENVIRONMENT).problems == ()


#: Executor -> (type, payload, and what it starts; or why it starts nothing).
MET: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "order-paid": [
        ("record.updated", {"event": "updated", "new": {"id": 1, "status": "paid"}, "changed": ["status"]}, "shipping"),
        ("record.updated", {"event": "updated", "new": {"id": 1, "status": "paid"}, "changed": ["total"]}, ""),
    ],
    "stripe-paid": [
        (
            "payment_intent.succeeded",
            {"method": "POST", "body": {"data": {"object": {"metadata": {"order_id": "o-1"}}}}},
            "job.tell-of-payment",
        ),
        ("payment_intent.created", {"method": "POST", "body": {}}, ""),
    ],
    "morning-report": [("schedule", {"scheduledTime": "2026-05-04T05:30:00.000Z"}, "price-list")],
    "tell-the-erp": [("record.created", {"event": "created", "new": {"id": 1, "total": 3}}, "http.tell-the-erp")],
}


@pytest.mark.parametrize("name", [Path(file).stem for file in FILES if file.startswith("executors/")])
def test_each_executor_starts_what_it_says(project: Path, name: str) -> None:
    async def story() -> None:
        parts = await open_parts(read_files(project, ENVIRONMENT))
        try:
            for kind, payload, starts in MET[name]:
                event = Event("e-1", "test", None, kind, 0, 0, payload, "shop", "orders", executors=(name,))
                found = await parts.dispatcher.preview(event, name)
                assert found.outcome is (Outcome.STARTED if starts else Outcome.FILTERED), found.reason
                assert starts in found.reason
        finally:
            await parts.close()

    asyncio.run(story())


Play = Callable[[VirtualEngine, ModuleType], Awaitable[None]]


async def _prices(engine: VirtualEngine, file: ModuleType) -> None:
    file.AT_ONCE = 2
    engine.mock("price-of", len)
    run = await engine.start("price-list", ["a", "bb", "ccc"])
    assert await run.result() == {"a": 1, "bb": 2, "ccc": 3}


async def _trips(engine: VirtualEngine, file: ModuleType) -> None:
    undone = engine.mock("cancel-flight", None)
    with pytest.raises(RuntimeError, match="the hotel is full"):
        await (await engine.start("trips", "Rome")).result()
    assert undone.calls == ["flight of Rome"]


async def _guarded(engine: VirtualEngine, file: ModuleType) -> None:
    told = engine.mock("tell-ops", None)
    with pytest.raises(JobFailed, match="no disk left"):
        await (await engine.start("guarded-nightly")).result()
    assert told.calls == ["nightly-work: no disk left"]


async def _families(engine: VirtualEngine, file: ModuleType) -> None:
    assert await (await engine.start("leading", 3)).result() == 9
    assert sorted(one.workflow for one in await engine.executions()) == ["leading", "measuring", "measuring"]


async def _releases(engine: VirtualEngine, file: ModuleType) -> None:
    run = await engine.start("publishing", "1.0.0")
    await engine.answer(file.release, {"yes": False})
    assert await run.result() == "held back"


async def _payments(engine: VirtualEngine, file: ModuleType) -> None:
    paid, late = [await engine.start("paying", {"order_id": one}) for one in ("o-1", "o-2")]
    await engine.signal("paid-o-1")
    assert await paid.result() == "paid"
    await engine.advance("3d")
    assert await late.result() == "late"


async def _exports(engine: VirtualEngine, file: ModuleType) -> None:
    states = iter(["running", "running", "finished"])
    engine.mock("state-of", lambda _export: next(states))
    run = await engine.start("exporting", "x-1")
    assert await run.status() is Status.WAITING
    await engine.advance("2m")
    assert await run.result() == "finished"


async def _shipping(engine: VirtualEngine, file: ModuleType) -> None:
    tries = []

    def carrier(parcel: Any) -> str:
        tries.append(parcel.order_id)
        if len(tries) < 3:
            raise ConnectionError("the carrier is away")
        return "p-1"

    engine.mock("ship", carrier)
    run = await engine.start("shipping", {"order_id": 7})
    await engine.advance("1h")
    assert (await run.result(), tries) == ("p-1", [7, 7, 7])


async def _bookings(engine: VirtualEngine, file: ModuleType) -> None:
    folder = Path(file.__file__ or "").parents[1]
    with closing(sqlite3.connect(folder / "var/shop.db")) as shop, shop:
        shop.execute("INSERT INTO orders (customer_id, total) VALUES (1, 100)")
    assert await (await engine.start("booking", 1, invoker="workflow-bot")).result() == 1
    with closing(sqlite3.connect(folder / "var/shop.db")) as shop:
        assert shop.execute("SELECT total FROM orders").fetchall() == [(101,)]


async def _limits(engine: VirtualEngine, file: ModuleType) -> None:
    first, last = [await engine.start("latest", {"customer_id": 1}) for _ in range(2)]
    many = [await engine.start("gently", {"customer_id": 1}) for _ in range(11)]
    assert await (await engine.start("in-order", {"customer_id": 1})).result() == 1
    assert await many[-1].status() is Status.PENDING
    await engine.advance("1m")
    assert await many[-1].result() == 1
    assert (await first.status(), await last.result()) == (Status.CANCELED, 1)


async def _changing(engine: VirtualEngine, file: ModuleType) -> None:
    engine.mock("check-address", False)
    assert await (await engine.start("delivering", "o-1")).result() == "unknown address"


PLAYS: dict[str, Play] = {
    "prices": _prices,
    "trips": _trips,
    "guarded": _guarded,
    "families": _families,
    "releases": _releases,
    "payments": _payments,
    "exports": _exports,
    "shipping": _shipping,
    "bookings": _bookings,
    "limits": _limits,
    "changing": _changing,
}


@pytest.mark.parametrize("name", [Path(file).stem for file in FILES if file.startswith("workflows/")])
def test_each_workflow_does_what_it_says(project: Path, name: str) -> None:
    found = read_files(project, ENVIRONMENT)
    surroundings = found.surroundings()

    async def story() -> None:
        async with VirtualEngine(
            found.discovered.registry.workflows.values(),
            found.discovered.registry.jobs.values(),
            machine_users=surroundings.machine_users["main-auth"].values(),
            databases=surroundings.databases,
        ) as engine:
            await PLAYS[name](engine, sys.modules[f"workflows.{name}"])

    try:
        asyncio.run(story())
    finally:
        for database in surroundings.databases.values():
            database.close()


def test_the_test_passes(project: Path) -> None:
    read_files(project, ENVIRONMENT)
    spec = importlib.util.spec_from_file_location("cookbook_test", project / "tests/test_releases.py")
    assert spec is not None
    assert spec.loader is not None
    written = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(written)
    tests = [value for name, value in vars(written).items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_every_command_is_understood() -> None:
    lines = [
        line for text in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for line in text.splitlines()
    ]
    assert len(lines) > 10
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "hub"
        result = CliRunner().invoke(cli, [*words[1:], "--help"])
        assert result.exit_code == 0, (line, result.stderr)
