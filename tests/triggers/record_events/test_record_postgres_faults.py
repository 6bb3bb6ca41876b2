"""A watched PostgreSQL that dies, is locked, or cannot tidy up, while it is written to: every committed row has one event."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from kit import PATIENCE, until
from postgres_cluster import Cluster
from record_stand_ins import ALL, DurableStore

from hub.model.clock import SystemClock
from hub.triggers.record_events import postgres_link
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.postgres import PostgresWatched
from hub.triggers.record_events.watched import DatabaseUnavailable
from hub.triggers.record_events.watching import Watching

WANTED = {"orders": ALL}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster(settings=("autovacuum=off",))
    made.execute("CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
    yield made
    made.stop()


class Writer:
    """Somebody's application: it inserts all the time, and connects again when it has to."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._stop.wait(0.02):
            with contextlib.suppress(psycopg.Error), psycopg.connect(self._url, autocommit=True) as shop:
                while not self._stop.wait(0.002):
                    shop.execute("INSERT INTO orders DEFAULT VALUES")


class Scene:
    """The hub beside it, in its loop."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.store = DurableStore()
        self.watched = PostgresWatched("shop", cluster.url(), SystemClock())
        drain = Drain(self.watched, self.store)
        self.watching = Watching(self.watched, drain, Keeper(self.watched, WANTED), SystemClock())
        #: Every trouble that was told.
        self.told: set[str] = set()

    async def play(self, *faults: str) -> None:
        await self.watching.run_once()
        assert self.watching.trouble is None
        stop = asyncio.Event()
        loop = asyncio.create_task(self.watching.watch(stop))
        listening = asyncio.create_task(self._listen())
        writer = Writer(self.cluster.url())
        try:
            for fault in faults:
                await asyncio.sleep(0.3)
                await asyncio.to_thread(getattr(self, fault))
                await self._goes_on(fault)
        finally:
            await asyncio.to_thread(writer.end)
        rows = {number for (number,) in self.cluster.execute("SELECT id FROM orders")}
        await until(lambda: len(self.store.payloads) >= len(rows))
        stop.set()
        listening.cancel()
        await loop
        await self.watched.close()
        seen = [one["new"]["id"] for one in self.store.payloads]
        assert sorted(seen) == sorted(rows)

    async def _goes_on(self, fault: str) -> None:
        """Until what was written before this moment has its event."""
        begun, known = time.monotonic(), len(self.store.payloads)
        await until(lambda: len(self.store.payloads) > known and self.watching.trouble is None)
        print(f"{fault}: normal again after {time.monotonic() - begun:.2f} s")  # noqa: T201

    async def _listen(self) -> None:
        while True:
            if self.watching.trouble is not None:
                self.told.add(self.watching.trouble)
            await asyncio.sleep(0.005)

    # --- what happens

    def killed(self) -> None:
        self.cluster.kill()
        self.cluster.start()

    def stopped_at_once(self) -> None:
        self.cluster.restart("immediate")

    def restarted(self) -> None:
        self.cluster.restart("fast")

    def locked(self) -> None:
        """Until the hub has given up waiting, which it tells."""
        with psycopg.connect(self.cluster.url()) as holder:
            holder.execute("LOCK TABLE _hub.outbox, orders IN ACCESS EXCLUSIVE MODE")
            end = time.monotonic() + PATIENCE
            while not self._told_of_a_lock() and time.monotonic() < end:
                time.sleep(0.01)

    def _told_of_a_lock(self) -> bool:
        return any("lock timeout" in one for one in list(self.told))

    def held(self) -> None:
        """A snapshot that keeps every deleted row: nothing can be tidied up."""
        self.holder = psycopg.connect(self.cluster.url())
        self.holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        self.holder.execute("SELECT count(*) FROM pg_class")


def test_a_database_that_is_killed_and_restarted(cluster: Cluster) -> None:
    scene = Scene(cluster)
    asyncio.run(scene.play("killed", "stopped_at_once", "restarted"))
    assert scene.told, "somebody could have known"


def test_a_database_that_is_locked_and_cannot_tidy_up(cluster: Cluster) -> None:
    scene = Scene(cluster)
    asyncio.run(scene.play("held", "locked"))
    scene.holder.close()
    assert scene._told_of_a_lock(), scene.told


def test_rows_that_a_frozen_hub_has_taken_are_given_to_another_one(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = postgres_link._SETTINGS["options"]
    monkeypatch.setitem(
        postgres_link._SETTINGS, "options", options.replace("session_timeout=10s", "session_timeout=1s")
    )

    async def story() -> None:
        frozen, other = (PostgresWatched("shop", cluster.url(), SystemClock()) for _ in range(2))
        await frozen.install(WANTED)
        cluster.execute("INSERT INTO orders DEFAULT VALUES")
        taken = await frozen.read(10)
        monkeypatch.undo()  # the other one has time
        while not (given := await other.read(10)):
            await other.rest(0.05)
        assert [row.key for row in given] == [row.key for row in taken]
        with pytest.raises(DatabaseUnavailable):
            await frozen.delete(taken)
        await other.delete(given)
        await frozen.close()
        await other.close()

    asyncio.run(asyncio.wait_for(story(), PATIENCE))
