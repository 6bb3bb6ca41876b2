"""The log has a line when the store cannot be read, and one when it is read again, however many ask meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from kit import PATIENCE
from postgres_proxy import Proxy

from hub.model.clock import SystemClock
from hub.model.errors import StoreUnavailable
from hub.store import open_store


def test_an_outage_is_told_of_once_and_so_is_its_end(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        store = open_store(proxy.url, SystemClock())
        for _ in range(2):
            assert await store.paused_executors() == set()
            proxy.refuse = True
            proxy.reset()
            asked = [store.paused_executors() for _ in range(20)]
            answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), PATIENCE)
            assert all(isinstance(answer, StoreUnavailable) and answer.said for answer in answers), answers
            proxy.refuse = False
        assert await store.paused_executors() == set()
        await store.close()

    with caplog.at_level("INFO", "hub.store.outage"):
        asyncio.run(story())
    lines = [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "hub.store.outage"]
    assert [level for level, _ in lines] == ["WARNING", "INFO"] * 2
    assert all(text.startswith("the store cannot be read") for _, text in lines[::2]), lines
    assert all(text.startswith("the store is read again, after ") for _, text in lines[1::2]), lines
    assert not any("\n" in text for _, text in lines)
