"""Health over HTTP: alive, ready or not and why, and answers that are problem documents when something is amiss."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_site import bare_client, verify
from kit import NOON, FakeClock

from hub.api.app import create_app, machine_routes
from hub.api.readiness import Readiness
from hub.model.event import NewEvent
from hub.model.schedule import StoredSchedule
from hub.store import Store, open_store


async def no_intake(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    assert scope["path"].startswith("/webhooks/")
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"the intake's"})


def ask(store: Store, troubles: list[str], method: str, path: str, *, later: float = 0) -> httpx.Response:
    async def story() -> httpx.Response:
        clock = FakeClock()
        clock.advance(later)
        app = create_app(
            no_intake,
            machine_routes(bare_client(store, FakeClock()), verify, Readiness(store, lambda: troubles, clock)),
        )
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            return await http.request(method, path)

    return asyncio.run(story())


@pytest.fixture
def store(quick_path: Path) -> Any:
    made = open_store(f"sqlite:///{quick_path}/hub.db", FakeClock())
    yield made
    asyncio.run(made.close())


def test_alive_and_ready(store: Store) -> None:
    assert ask(store, [], "GET", "/healthz").text == "ok\n"
    answer = ask(store, [], "GET", "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "reasons": []})
    for header, value in {"cache-control": "no-store", "x-content-type-options": "nosniff"}.items():
        assert answer.headers[header] == value


def test_not_ready_says_why(store: Store) -> None:
    trouble = 'database "shop": there is no file.'
    answer = ask(store, [trouble], "GET", "/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "reasons": [trouble]})
    assert ask(store, [trouble], "GET", "/healthz").status_code == 200, "alive all the same"


def test_events_that_wait_too_long_for_their_dispatch_are_said(store: Store) -> None:
    asyncio.run(_store_event(store))
    assert ask(store, [], "GET", "/readyz", later=119).status_code == 200
    answer = ask(store, [], "GET", "/readyz", later=121)
    assert (answer.status_code, answer.json()["reasons"]) == (
        503,
        ["the oldest event has waited 121 s to be dispatched."],
    )


def test_schedules_that_are_overdue_are_said(store: Store) -> None:
    asyncio.run(store.put_schedules([StoredSchedule("nightly", "", NOON + 1_000)], []))
    assert ask(store, [], "GET", "/readyz", later=121).status_code == 200
    answer = ask(store, [], "GET", "/readyz", later=122)
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["the schedule nightly is overdue by 121 s."])


async def _store_event(store: Store) -> None:
    await store.store_event(NewEvent("webhook:one", None, "push", 0, {}))


def test_a_store_that_cannot_be_read_is_not_ready(store: Store, quick_path: Path) -> None:
    async def drop() -> None:
        await store.flush()

    asyncio.run(drop())
    for path in quick_path.glob("hub.db*"):
        path.write_bytes(b"damaged" * 1000)
    answer = ask(store, [], "GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == [
        "the store cannot be read. Look whether its database runs and can be reached; the log of the hub says more."
    ]
    assert str(quick_path) not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("POST", "/healthz", 405)])
def test_what_is_not_there_is_a_problem_document(store: Store, method: str, path: str, status: int) -> None:
    answer = ask(store, [], method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert (answer.headers.get("allow") is not None) == (status == 405)


def test_a_fault_of_the_hub_tells_a_stranger_nothing(store: Store) -> None:
    def troubles() -> list[str]:
        raise RuntimeError("a secret path /var/lib/hub")

    async def story() -> httpx.Response:
        app = create_app(no_intake, machine_routes(bare_client(store, FakeClock()), verify, Readiness(store, troubles)))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            return await http.get("/readyz")

    answer = asyncio.run(story())
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


def test_webhooks_go_straight_to_the_intake(store: Store) -> None:
    answer = ask(store, [], "POST", "/webhooks/hook/token")
    assert (answer.status_code, answer.text) == (299, "the intake's")
