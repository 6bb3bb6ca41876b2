"""Every night the supplier's catalogue is copied, page by page, from a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from shop_hub import ShopHub, open_shop, shop_rows

from hub.model.clock import from_iso, iso
from hub.model.event import NewEvent, Outcome
from hub.model.execution import JobStatus, Status

MONDAY = "2026-05-04T02:00:00.000Z"
TUESDAY = "2026-05-05T02:00:00.000Z"


class Supplier(ThreadingHTTPServer):
    """A catalogue of three pages, two products each, that can have a bad day."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Catalogue)
        self.price = 10.0
        #: Pages that were asked for, in order.
        self.asked: list[int] = []
        #: Page -> statuses that its next answers have.
        self.bad_days: dict[int, list[int]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/catalogue"

    def page(self, number: int) -> dict[str, Any]:
        items = [
            {"sku": f"P{number}{letter}", "name": f"Product {number}{letter}", "price": self.price} for letter in "ab"
        ]
        return {"items": items, "nextPage": number + 1 if number < 3 else None}


class _Catalogue(BaseHTTPRequestHandler):
    server: Supplier

    def do_GET(self) -> None:
        number = int(parse_qs(urlsplit(self.path).query)["page"][0])
        self.server.asked.append(number)
        statuses = self.server.bad_days.get(number, [])
        body = json.dumps(self.server.page(number)).encode()
        self.send_response(statuses.pop(0) if statuses else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def supplier() -> Iterator[Supplier]:
    with Supplier() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    open_shop(tmp_path)
    return tmp_path


def night(instant: str) -> NewEvent:
    """The slot of one night, as the schedule records it."""
    due = from_iso(instant)
    times = {"scheduledTime": instant, "previousTime": iso(due - 86_400_000), "nextTime": iso(due + 86_400_000)}
    return NewEvent(
        source="schedule:daily-sync-workflow",
        key=instant,
        type="schedule",
        time=due,
        payload=times,
        executors=("daily-sync-workflow",),
    )


def test_every_page_is_a_job_and_every_product_a_row(shop: Path, supplier: Supplier):
    async def story() -> None:
        async with ShopHub(shop, env={"catalogue_url": supplier.url}) as hub:
            delivery = await hub.happens(night(MONDAY))
            assert delivery.outcome is Outcome.STARTED
            execution = await hub.ended(delivery.execution_id)
            # `new Date()` in the executor is the night's own time, whenever it is evaluated.
            assert execution.args == {"date": MONDAY}
            assert (execution.status, execution.result) == (Status.SUCCESS, {"pages": 3, "products": 6})
            assert [job.path for job in execution.jobs] == [
                "sync-catalogue",
                "sync-catalogue/sync-page",
                "sync-catalogue/sync-page#2",
                "sync-catalogue/sync-page#3",
            ]

            # The next night prices have gone up: the same rows, with new prices.
            supplier.price = 12.5
            await hub.ended((await hub.happens(night(TUESDAY))).execution_id)

    asyncio.run(story())
    assert supplier.asked == [1, 2, 3, 1, 2, 3]
    assert shop_rows(shop, "SELECT sku, price, synced_at FROM products ORDER BY sku") == [
        (sku, 12.5, TUESDAY) for sku in ("P1a", "P1b", "P2a", "P2b", "P3a", "P3b")
    ]


def test_a_page_that_fails_for_a_moment_is_asked_for_again(shop: Path, supplier: Supplier):
    supplier.bad_days[2] = [503, 429]

    async def story() -> None:
        async with ShopHub(shop, env={"catalogue_url": supplier.url}) as hub:
            execution = await hub.ended((await hub.happens(night(MONDAY))).execution_id)
            assert execution.status is Status.SUCCESS
            assert execution.attempts == 1
            assert [job.attempts for job in execution.jobs] == [1, 1, 3, 1]

    asyncio.run(story())
    assert supplier.asked == [1, 2, 2, 2, 3]


def test_a_sync_that_broke_off_goes_on_at_the_page_where_it_was(shop: Path, supplier: Supplier):
    supplier.bad_days[3] = [404]

    async def story() -> None:
        async with ShopHub(shop, env={"catalogue_url": supplier.url}) as hub:
            broken = await hub.ended((await hub.happens(night(MONDAY))).execution_id)
            assert broken.status is Status.FAILED
            assert broken.error is not None
            assert broken.error["message"] == "the catalogue answered 404 for page 3: is catalogue_url right?"
            assert [job.status for job in broken.jobs if job.name == "sync-page"] == [
                JobStatus.SUCCESS,
                JobStatus.SUCCESS,
                JobStatus.FAILED,
            ]

            await hub.store.resume(broken.id)
            execution = await hub.ended(broken.id)
            assert (execution.status, execution.result) == (Status.SUCCESS, {"pages": 3, "products": 6})

    asyncio.run(story())
    # Pages one and two were not fetched a second time.
    assert supplier.asked == [1, 2, 3, 3]


def test_a_night_that_is_noticed_twice_runs_once(shop: Path, supplier: Supplier):
    async def story() -> None:
        async with ShopHub(shop, env={"catalogue_url": supplier.url}) as hub:
            first = await hub.happens(night(MONDAY))
            again = await hub.store.store_event(night(MONDAY))
            assert (again.id, again.duplicate) == (first.event_id, True)
            assert await hub.dispatcher.run_once() == 0
            await hub.ended(first.execution_id)
            assert len(await hub.store.executions()) == 1

    asyncio.run(story())
    assert supplier.asked == [1, 2, 3]
