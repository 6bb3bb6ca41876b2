"""The log has a line when the store cannot be used, and one when it is used again, however many ask meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from kit import PATIENCE, FakeClock, until
from postgres_proxy import Proxy

from hub.model.clock import SystemClock
from hub.model.errors import StoreUnavailable
from hub.store import open_store
from hub.store.outage import ADVICE


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
    lines = _lines(caplog)
    assert [level for level, _ in lines] == ["WARNING", "INFO"] * 2
    assert all(text.startswith("the store cannot be read") for _, text in lines[::2]), lines
    assert all(text.startswith("the store is read again, after ") for _, text in lines[1::2]), lines
    assert not any("\n" in text for _, text in lines)


def test_a_file_that_others_hold_for_long_is_told_of_and_for_a_moment_is_not(
    quick_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str | None] = []

    async def held(clock: FakeClock, seconds: float) -> None:
        store = open_store(f"sqlite:///{quick_path}/hub.db", clock)
        with closing(sqlite3.connect(quick_path / "hub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            pausing = asyncio.create_task(store.pause("nightly", paused=True))
            outage = store._writer._outage  # type: ignore[attr-defined]  # whose clock is moved once it has begun
            await until(lambda: outage._since is not None)
            clock.advance(seconds)
            if seconds > 2:
                await until(lambda: bool(_lines(caplog)))
            told.append(store.trouble)
            other.execute("ROLLBACK")
        await asyncio.wait_for(pausing, PATIENCE)
        assert store.trouble is None, "it is over"
        await store.close()

    with caplog.at_level("INFO", "hub.store.outage"):
        asyncio.run(held(FakeClock(), 1))
        assert _lines(caplog) == []
        asyncio.run(held(FakeClock(), 3))
    (begun, over) = _lines(caplog)
    why = "it is tried again and again, and a line says when that is over"
    assert begun == ("WARNING", f"the store cannot be written now: database is locked ({why})")
    assert over == ("INFO", "the store is written again, after 3s.")
    assert told == [None, f"nothing could be written to the store for 3 s. {ADVICE}; the log of the hub says more."]


def test_who_has_no_patience_is_refused_and_who_is_untiring_waits(quick_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = open_store(f"sqlite:///{quick_path}/hub.db", clock, patience=30)
        with closing(sqlite3.connect(quick_path / "hub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            hasty = asyncio.create_task(store.pause("hasty", paused=True))
            await asyncio.sleep(0)  # it is handed in
            with store.untiring():
                untiring = asyncio.create_task(store.pause("untiring", paused=True))
                await asyncio.sleep(0)
            clock.advance(29)
            late = asyncio.create_task(store.pause("late", paused=True))
            await asyncio.sleep(0)
            clock.advance(1)
            with pytest.raises(
                StoreUnavailable, match=r"could not be written in time: database is locked\. Look whether"
            ):
                await asyncio.wait_for(hasty, PATIENCE)
            other.execute("ROLLBACK")
        await asyncio.wait_for(asyncio.gather(untiring, late), PATIENCE)
        assert await store.paused_executors() == {"untiring", "late"}
        await store.close()

    asyncio.run(story())


def test_a_file_that_may_not_be_written_is_told_of_with_its_path(quick_path: Path) -> None:
    (quick_path / "var").write_text("no folder")
    with pytest.raises(StoreUnavailable, match=r"/var cannot be used: .*has to be able to write"):
        open_store(f"sqlite:///{quick_path}/var/hub.db", FakeClock())


def _lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "hub.store.outage"]
