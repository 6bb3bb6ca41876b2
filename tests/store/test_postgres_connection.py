"""A connection to PostgreSQL that is lost at the worst moments: nothing is lost with it, and nothing happens twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from kit import PATIENCE, FakeClock, until
from postgres_proxy import Proxy
from psycopg import pq

from hub.model.clock import SystemClock
from hub.model.execution import Started, StartRequest, Status
from hub.store import open_store
from hub.store.claims import Claimable, ClaimRequest
from hub.store.committing import Committer, Operation
from hub.store.databases import Database
from hub.store.dialects import postgres
from hub.store.dialects.base import StoreBusy
from hub.store.dialects.postgres import PostgresDialect
from hub.store.dialects.postgres_writing import PostgresConnection, PostgresTx
from hub.store.verbs import Verb


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


def test_a_job_does_not_notice_that_the_server_was_started_anew(postgres_url: str) -> None:
    shop = Database("shop", postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as other:
        for _ in range(2):
            ((backend,),) = [tuple(row.values()) for row in shop.rows("SELECT pg_backend_pid()")]
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))
    shop.close()


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
