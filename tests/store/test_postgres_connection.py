"""A connection to PostgreSQL that is lost at the worst moments: nothing is lost with it, and nothing happens twice."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count

import psycopg
import pytest
from kit import PATIENCE, Bench, FakeClock, until
from postgres_cluster import Cluster
from postgres_proxy import Proxy
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.engine.lease import Lease
from hub.model.clock import SystemClock
from hub.model.errors import BadInput, StoreUnavailable
from hub.model.event import NewEvent
from hub.model.execution import LogLine, Started, StartRequest, Status
from hub.store import open_store
from hub.store.checkpoints import LogWrite
from hub.store.claims import Claimable, ClaimRequest
from hub.store.committing import Committer, Operation
from hub.store.databases import Database
from hub.store.dialects import postgres, postgres_link
from hub.store.dialects.base import StoreBusy
from hub.store.dialects.postgres import PostgresDialect
from hub.store.dialects.postgres_hosts import hosts_of
from hub.store.dialects.postgres_link import Link
from hub.store.dialects.postgres_writing import PostgresConnection, PostgresTx
from hub.store.verbs import Verb


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    made = Proxy(postgres_url)
    yield made
    made.close()


def request(number: int) -> StartRequest:
    return StartRequest(f"E{number:05}", "orders", "{}", None, 5, idempotency_key=f"key-{number}")


async def _start_with_cuts(proxy: Proxy, cuts: int) -> list[Started]:
    store = open_store(proxy.url, SystemClock())
    answers = []
    for number in range(cuts):
        proxy.cut_replies = 1
        answers.append(await asyncio.wait_for(store.start(request(number)), PATIENCE))
    proxy.cut_replies = 0
    await store.close()
    return answers


def test_commits_whose_answers_are_cut_are_answered_as_if_nothing_had_been(proxy: Proxy, postgres_url: str) -> None:
    answers = asyncio.run(_start_with_cuts(proxy, 100))
    assert proxy.cut >= 100
    assert all(answer == Started(f"E{number:05}", True, Status.PENDING) for number, answer in enumerate(answers))
    store = open_store(postgres_url, SystemClock())
    assert len(asyncio.run(_all(store))) == 100


async def _all(store) -> list[object]:  # type: ignore[no-untyped-def]
    found = await store.executions(limit=1000)
    await store.close()
    return list(found)


async def _claim_with_cuts(proxy: Proxy) -> list[str]:
    store = open_store(proxy.url, SystemClock())
    await asyncio.gather(*[store.start(request(number)) for number in range(20)])
    seen: list[str] = []
    for _ in range(10):
        proxy.cut_replies = 1
        seen += [one.id for one in await store.claim(ClaimRequest("node-1", (Claimable("orders", "r"),), 2, 10))]
    proxy.cut_replies = 0
    await store.close()
    return sorted(seen)


def test_claims_of_which_the_answer_is_cut_are_known_to_who_asked(proxy: Proxy) -> None:
    assert asyncio.run(_claim_with_cuts(proxy)) == [f"E{number:05}" for number in range(20)]


def test_without_slips_claims_get_lost(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_happened(self: PostgresConnection) -> bool:
        self._doubt = None
        return False

    monkeypatch.setattr(PostgresConnection, "verdict", nothing_happened)
    assert len(asyncio.run(_claim_with_cuts(proxy))) < 20


def test_a_zombie_cannot_commit_what_was_given_up(postgres_url: str) -> None:
    """The verdict is "no", and then the delayed commit arrives after all."""
    connection = open_connection(postgres_url)
    tx = connection.begin()
    tx.run("INSERT INTO executor_states (executor, paused) VALUES ('late', 1)")
    late, connection._link = connection._link, None
    connection._number += 1
    connection._doubt = connection._number
    assert connection.verdict() is False
    assert late is not None
    with pytest.raises(Exception, match="duplicate key"):
        late.simple(
            f"INSERT INTO commits (writer, number, at) VALUES ('{connection._writer}', {connection._number}, 0); COMMIT"
        )
    late.close()
    assert connection.raw.rows("SELECT count(*) FROM executor_states") == [(0,)]
    connection.close()


def open_connection(url: str) -> PostgresConnection:
    asyncio.run(open_store(url, FakeClock()).close())
    return PostgresDialect(url).connect()


def test_a_link_that_swallows_everything_keeps_nobody_past_their_time(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "REPLY_SECONDS", PATIENCE)

    async def story() -> None:
        store = open_store(proxy.url, SystemClock())
        await store.store_event(NewEvent("webhook:x", "0", "webhook", 1, {}), timeout=PATIENCE)
        proxy.swallow = True
        hasty = [
            store.store_event(NewEvent("webhook:x", str(number), "webhook", 1, {}), timeout=0.4)
            for number in range(1, 9)
        ]
        answers = await asyncio.gather(*hasty, return_exceptions=True)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        patient = asyncio.create_task(store.pause("patient", paused=True))
        await asyncio.sleep(0.3)
        proxy.swallow = False
        proxy.reset()
        await asyncio.wait_for(patient, PATIENCE)
        assert await store.paused_executors() == {"patient"}
        await store.store_event(NewEvent("webhook:x", "9", "webhook", 1, {}), timeout=PATIENCE)
        await store.close()

    asyncio.run(story())


def test_a_node_that_cannot_reach_the_database_begins_nothing_after_two_thirds_of_its_lease(proxy: Proxy) -> None:
    async def story() -> None:
        bench = Bench(proxy.url, [], clock=SystemClock())  # type: ignore[arg-type]
        lease = Lease(bench.store, bench.clock, bench.node, bench.worker, seconds=1.2)
        await lease.take()
        stop = asyncio.Event()
        serving = asyncio.create_task(lease.serve(stop))
        gate = bench.worker._gate
        await until(lambda: gate.open)
        proxy.swallow = True
        await until(lambda: not gate.open)
        assert bench.clock.monotonic() - lease._renewed >= 0.8, "it is open for two thirds of the lease"
        proxy.swallow = False
        proxy.reset()
        await until(lambda: gate.open)
        stop.set()
        await serving
        await bench.close()

    asyncio.run(story())


@pytest.mark.parametrize("how", ["reset", "refuse", "delay"])
def test_the_hub_goes_on_when_the_network_does(proxy: Proxy, how: str) -> None:
    async def story() -> None:
        store = open_store(proxy.url, SystemClock())
        acknowledged: list[int] = []
        stop = asyncio.Event()

        async def load(place: int) -> None:
            number = place
            while not stop.is_set():
                started = await store.start(request(number))
                assert started.created
                acknowledged.append(number)
                number += 10

        loads = [asyncio.create_task(load(place)) for place in range(10)]
        for _ in range(3):
            await asyncio.sleep(0.15)
            if how == "delay":
                proxy.delay = 0.02
            if how == "refuse":
                proxy.refuse = True
            if how in ("reset", "refuse"):
                proxy.reset()
            await asyncio.sleep(0.15)
            proxy.refuse, proxy.delay = False, 0.0
        before = len(acknowledged)
        await until(lambda: len(acknowledged) > before)  # it goes on
        stop.set()
        await asyncio.wait_for(asyncio.gather(*loads), PATIENCE)
        found = {record.id for record in await store.executions(limit=100_000)}
        assert found == {f"E{number:05}" for number in acknowledged}
        await store.close()

    asyncio.run(story())


def test_the_server_is_killed_stopped_and_restarted_under_load() -> None:
    cluster = Cluster()

    async def story() -> None:
        store = open_store(cluster.url(), SystemClock())
        acknowledged: set[int] = set()
        stop = asyncio.Event()
        gaps: list[float] = []
        last = time.monotonic()

        async def load(place: int) -> None:
            nonlocal last
            number = place
            while not stop.is_set():
                started = await store.start(request(number))
                assert started.created, "nobody else has this key"
                acknowledged.add(number)
                last = time.monotonic()
                number += 20

        loads = [asyncio.create_task(load(place)) for place in range(20)]
        for how in ("kill", "immediate", "fast"):
            await asyncio.sleep(random.uniform(0.2, 0.5))
            if how == "kill":
                await asyncio.to_thread(cluster.kill)
                await asyncio.to_thread(cluster.start)
            else:
                await asyncio.to_thread(cluster.restart, how)
            accepts = time.monotonic()
            while last < accepts:
                await asyncio.sleep(0.01)
                assert time.monotonic() - accepts < PATIENCE
            gaps.append(time.monotonic() - accepts)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*loads), PATIENCE)
        found = {record.id for record in await store.executions(limit=100_000)}
        assert found == {f"E{number:05}" for number in acknowledged}
        print(f"{len(acknowledged)} acknowledged, normal again after {[f'{gap:.2f}' for gap in gaps]} s")  # noqa: T201
        await store.close()

    try:
        asyncio.run(story())
    finally:
        cluster.stop()


def test_a_node_that_stands_still_in_the_middle_of_a_request_lets_go(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has sent a half of what is to be done together, and the server waits for the rest: that is not idle."""
    asyncio.run(open_store(postgres_url, FakeClock()).close())
    monkeypatch.setattr(postgres, "SETTINGS", postgres.SETTINGS.replace("'15s'", "'1s'"))
    frozen, other = PostgresDialect(postgres_url).connect(), PostgresDialect(postgres_url).connect()
    assert frozen._link is not None
    sent = frozen._link.pgconn
    sent.enter_pipeline_mode()
    for sql in (b"BEGIN", b"SELECT pg_advisory_xact_lock(7)"):
        sent.send_query_params(sql, None)
    sent.send_flush_request()
    sent.nonblocking = 0
    sent.flush()
    assert [sent.get_result(), sent.get_result(), sent.get_result()][2].status == pq.ExecStatus.TUPLES_OK, (
        "it has the lock"
    )
    asyncio.run(until(lambda: other.raw.rows("SELECT pg_try_advisory_xact_lock(7)") == [(True,)]))
    frozen._link.close()
    other.close()


def test_a_host_that_is_silent_keeps_nobody_from_the_next_one(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine has vanished, and another one was made the primary."""
    monkeypatch.setattr(postgres_link, "CONNECT_SECONDS", 2.0)
    given = conninfo_to_dict(postgres_url)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        link = Link(make_conninfo(postgres_url, host=f"127.0.0.1,{given['host']}", port=f"{port},5432"))
        assert link.simple("SELECT 1") == [("1",)]
        link.close()


def test_an_address_of_several_hosts_is_one_for_each() -> None:
    one = "postgresql://hub:secret@db.example.com/hub"
    assert hosts_of(one) == [one]
    two = hosts_of("postgresql://hub:secret@a,b:5433/hub?target_session_attrs=read-write")
    assert [conninfo_to_dict(each) for each in two] == [
        {"user": "hub", "password": "secret", "host": host, "dbname": "hub", "target_session_attrs": "read-write"}
        | port
        for host, port in (("a", {}), ("b", {"port": "5433"}))
    ]


def test_a_job_does_not_notice_that_the_server_was_started_anew(postgres_url: str) -> None:
    shop = Database("shop", postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as other:
        for _ in range(2):
            ((backend,),) = [tuple(row.values()) for row in shop.rows("SELECT pg_backend_pid()")]
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))
    shop.close()


@pytest.mark.parametrize("refusals", [3, pytest.param(12, marks=pytest.mark.long)])
def test_somebody_locks_the_tables(postgres_url: str, refusals: int) -> None:
    """For a while nobody can write: all are told in time, nothing is lost, and then it goes on."""

    async def story() -> None:
        store = open_store(postgres_url, SystemClock())
        await store.start(request(0))
        with psycopg.connect(postgres_url) as holder:
            holder.execute("LOCK TABLE events, executions IN ACCESS EXCLUSIVE MODE")
            for number in range(refusals):  # each is told while the lock is held: only then it is let go
                with pytest.raises(StoreUnavailable):
                    await store.store_event(NewEvent("webhook:x", str(number), "webhook", 1, {}), timeout=0.5)
            holder.rollback()
        acknowledged: set[str] = set()
        async with asyncio.timeout(PATIENCE):
            for number in count(refusals):
                if len(acknowledged) > 10:
                    break  # it went on by itself
                with suppress(StoreUnavailable):
                    stored = await store.store_event(NewEvent("webhook:x", str(number), "webhook", 1, {}), timeout=0.5)
                    acknowledged.add(stored.id)
        assert acknowledged <= {event.id for event in await store.new_events(limit=100_000)}
        await store.close()

    asyncio.run(story())


def test_a_connection_that_is_lost_between_savepoints_takes_nobody_along(postgres_url: str) -> None:
    """One operation is bad, so that all are applied by themselves; in the middle of that the session is ended."""
    asyncio.run(open_store(postgres_url, FakeClock()).close())

    def note(tx: PostgresTx, items: Sequence[str]) -> list[str]:
        for item in items:
            if item == "bad" or len(items) > 1:
                raise ValueError("it cannot be applied")
            if item == "third" and "third" not in seen:
                seen.append(item)
                assert connection._link is not None
                with psycopg.connect(postgres_url, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s)", (connection._link.backend,))
            tx.run("INSERT INTO executor_states (executor, paused) VALUES (?, 1)", (item,))
        return list(items)

    seen: list[str] = []
    connection = PostgresDialect(postgres_url).connect()
    verb = Verb("note", note)  # type: ignore[arg-type]  # a verb of this test alone
    committer = Committer(connection)
    batch = [Operation(verb, item) for item in ("first", "bad", "third", "fourth")]
    with pytest.raises(StoreBusy):
        committer.commit(batch)
    committer.commit(batch)
    assert [type(operation.result) for operation in batch] == [str, ValueError, str, str]
    rows = connection.raw.rows("SELECT executor FROM executor_states ORDER BY executor")
    assert rows == [("first",), ("fourth",), ("third",)]
    connection.close()


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
