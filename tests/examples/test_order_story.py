"""Somebody orders something. These stories run the repository's own executors and workflows on real SQLite files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from shop_hub import KILLED, ShopHub, open_shop, order, shop_rows, work_until_killed

from hub.model.event import Outcome
from hub.model.execution import JobStatus, Status

ADA, GRACE = 1, 2


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    open_shop(tmp_path)
    return tmp_path


def test_a_large_order_is_processed_and_the_customer_told(shop: Path):
    async def story() -> None:
        async with ShopHub(shop) as hub:
            delivery = await hub.happens(order(shop, ADA, 240.0))
            assert delivery.outcome is Outcome.STARTED

            execution = await hub.ended(delivery.execution_id)
            assert execution.status is Status.SUCCESS
            assert execution.workflow == "order-processing"
            assert execution.args == {"orderId": 1}
            assert execution.result == {"order_id": 1, "customer": "Ada Lovelace", "notified": "ada@example.com"}

            # It acted as the machine user that the executor names, and knows its cause.
            assert execution.invoker is not None
            assert execution.invoker["name"] == "workflow-bot"
            assert (execution.executor, execution.event_id) == ("order-created-workflow", delivery.event_id)

            # Each job has its place and its stored result.
            assert {job.path: job.status for job in execution.jobs} == {
                "process-order": JobStatus.SUCCESS,
                "process-order/fetch-customer": JobStatus.SUCCESS,
                "process-order/send-notification": JobStatus.SUCCESS,
            }
            assert await hub.lines(execution.id) == ["order 1 was made by Ada Lovelace", "order 1 is processed"]

    asyncio.run(story())
    assert shop_rows(shop, "SELECT status FROM orders") == [("processed",)]
    assert shop_rows(shop, "SELECT recipient, message FROM notifications") == [
        ("ada@example.com", "Dear Ada Lovelace, your order 1 over 240.00 is on its way.")
    ]


def test_a_small_order_is_filtered_and_the_reason_is_kept(shop: Path):
    async def story() -> None:
        async with ShopHub(shop) as hub:
            delivery = await hub.happens(order(shop, ADA, 100.0))
            assert delivery.outcome is Outcome.FILTERED
            assert "args.newRecord.total > 100" in delivery.reason
            assert await hub.store.executions() == []

    asyncio.run(story())


def test_many_orders_at_once_are_all_processed_five_at_a_time(shop: Path):
    async def story() -> None:
        async with ShopHub(shop, working=False) as hub:
            for _ in range(8):
                await hub.happens(order(shop, GRACE, 150.0))
            assert await hub.worker.run_once() == 5
            assert await hub.store.count_by_status() == {"RUNNING": 5, "PENDING": 3}
        async with ShopHub(shop) as hub:
            for execution in await hub.store.executions():
                assert (await hub.ended(execution.id)).status is Status.SUCCESS

    asyncio.run(story())
    assert shop_rows(shop, "SELECT count(*), count(DISTINCT order_id) FROM notifications") == [(8, 8)]


def test_the_hub_is_killed_between_two_jobs_and_goes_on_where_it_was(shop: Path):
    """kill -9 right after fetch-customer's result was stored."""

    async def story() -> None:
        async with ShopHub(shop, working=False) as hub:
            delivery = await hub.happens(order(shop, GRACE, 1000.0))
            assert delivery.execution_id is not None

        assert work_until_killed(shop, "after", 1) == KILLED
        assert shop_rows(shop, "SELECT * FROM notifications") == []
        # Meanwhile the customer changes her address.
        shop_rows(shop, "UPDATE customers SET email = 'new@example.com' WHERE id = ?", GRACE)

        async with ShopHub(shop, working=False) as hub:
            assert hub.rescued == 1
            left = await hub.record(delivery.execution_id)
            assert left.status is Status.RUNNING
            assert [job.name for job in left.jobs if job.status is JobStatus.SUCCESS] == ["fetch-customer"]

        async with ShopHub(shop) as hub:
            execution = await hub.ended(delivery.execution_id)
            assert execution.status is Status.SUCCESS
            # fetch-customer was not run again: its stored result was handed back, with the address of that time.
            assert execution.result["notified"] == "grace@example.com"
            fetched = next(job for job in execution.jobs if job.name == "fetch-customer")
            assert fetched.attempts == 1

    asyncio.run(story())
    assert shop_rows(shop, "SELECT recipient FROM notifications") == [("grace@example.com",)]


def test_the_hub_is_killed_in_the_middle_of_a_notification_and_tells_the_customer_once(shop: Path):
    """kill -9 after the row is written and before the job's result is stored: the job runs again, under the same key."""

    async def story() -> None:
        async with ShopHub(shop, working=False) as hub:
            delivery = await hub.happens(order(shop, ADA, 500.0))
            assert delivery.execution_id is not None
        assert work_until_killed(shop, "before", 2) == KILLED
        ((key,),) = shop_rows(shop, "SELECT idempotency_key FROM notifications")
        assert key == f"{delivery.execution_id}/process-order/send-notification"

        async with ShopHub(shop, working=False) as hub:
            left = await hub.record(delivery.execution_id)
            assert [job.name for job in left.jobs if job.status is JobStatus.SUCCESS] == ["fetch-customer"]

        async with ShopHub(shop) as hub:
            execution = await hub.ended(delivery.execution_id)
            assert execution.status is Status.SUCCESS

    asyncio.run(story())
    assert shop_rows(shop, "SELECT count(*) FROM notifications") == [(1,)]


def test_an_order_that_has_vanished_fails_at_once_and_can_be_resumed(shop: Path):
    async def story() -> None:
        vanished = order(shop, ADA, 300.0)
        shop_rows(shop, "DELETE FROM orders")
        async with ShopHub(shop) as hub:
            delivery = await hub.happens(vanished)
            failed = await hub.ended(delivery.execution_id)
            assert failed.status is Status.FAILED
            assert failed.attempts == 1  # NonRetryable: the workflow's three retries were not spent on it
            assert failed.error is not None
            assert failed.error["type"] == "NonRetryable"
            assert failed.error["message"] == "there is no order 1 in the shop"
            assert failed.error["job"] == "fetch-customer"

            # Somebody restores the row, and lets the execution go on under its id.
            shop_rows(shop, "INSERT INTO orders (id, customer_id, total) VALUES (1, ?, 300)", ADA)
            await hub.store.resume(failed.id)
            assert (await hub.ended(failed.id)).status is Status.SUCCESS

    asyncio.run(story())
    assert shop_rows(shop, "SELECT status FROM orders") == [("processed",)]
