"""Texts that PostgreSQL cannot keep as they are."""

from __future__ import annotations

import asyncio
import random

import pytest

from hub.model.clock import SystemClock
from hub.model.errors import BadInput
from hub.model.event import NewEvent
from hub.model.execution import LogLine, StartRequest
from hub.store import open_store
from hub.store.checkpoints import LogWrite
from hub.store.claims import Claimable, ClaimRequest


def request(number: int) -> StartRequest:
    return StartRequest(f"E{number:05}", "orders", "{}", None, 5, idempotency_key=f"key-{number}")


def test_text_that_postgresql_cannot_keep_is_the_fault_of_who_sent_it(postgres_url: str) -> None:
    async def story() -> None:
        store = open_store(postgres_url, SystemClock())
        bad = store.store_event(NewEvent("webhook:x", "a\0b", "webhook", 1, {}))
        good = store.store_event(NewEvent("webhook:x", "c", "webhook", 1, {"text": "a\0b"}))
        refused, stored = await asyncio.gather(bad, good, return_exceptions=True)
        assert isinstance(refused, BadInput)
        assert "NUL" in str(refused)
        assert not isinstance(stored, BaseException), "only the one is refused"
        (event,) = await store.new_events()
        assert event.payload == {"text": "a\0b"}
        long = store.start(
            StartRequest("E1", "orders", "{}", None, 5, idempotency_key=random.Random(1).randbytes(9000).hex())
        )
        with pytest.raises(BadInput, match="too long"):
            await long
        await store.close()

    asyncio.run(story())


def test_a_line_with_a_nul_is_kept(postgres_url: str) -> None:
    async def story() -> None:
        store = open_store(postgres_url, SystemClock())
        await store.start(request(1))
        (claimed,) = await store.claim(ClaimRequest("n", (Claimable("orders", "r"),), 1, 10))
        store.log(LogWrite(claimed.epoch, LogLine(claimed.id, "main", 1, "INFO", "a\0b")))
        await store.flush()
        assert [line.message for _, line in await store.logs(claimed.id)] == ["a\u2400b"]
        await store.close()

    asyncio.run(story())
