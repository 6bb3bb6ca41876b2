"""A job's writes and its result are committed together: wherever the process ends, both are there once, or neither is yet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from transacting import live_through, sound

from hub.store import databases, results
from hub.store.results import JobResult


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request: pytest.FixtureRequest, quick_path: Path) -> Callable[[int | None], str]:
    """The address of an empty ledger, for each point."""
    if request.param == "sqlite":
        return lambda point: f"sqlite:///{quick_path}/ledger-{point}.db"
    url = request.getfixturevalue("postgres_url")

    def emptied(_point: int | None) -> str:
        with psycopg.connect(url) as connection:
            connection.execute("DROP TABLE IF EXISTS entries, _hub_results")
        return str(url)

    return emptied


def test_writes_and_result_are_one_at_every_point(quick_path: Path, fresh: Callable[[int | None], str]) -> None:
    faults, points, crashed = live_through(quick_path, fresh(None), None, wreck=sound)
    assert faults == []
    assert not crashed
    assert points.count("before the user's commit") == 3
    assert points.count("after the user's commit") == 3
    for point in range(1, len(points) + 1):
        faults, passed, _ = live_through(quick_path, fresh(point), point, wreck=sound)
        assert faults == [], f"the process ended at point {point}, {passed[-1]}"


@contextlib.contextmanager
def _never_kept() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "keep", lambda _connection, _job, _text: None)
        yield


@contextlib.contextmanager
def _kept_in_the_next_transaction() -> Iterator[None]:
    keep, whole = results.keep, databases._transaction

    @contextlib.contextmanager
    def transaction(engine: Engine, job: JobResult | None) -> Iterator[Any]:
        with whole(engine, job) as opened:
            yield opened
        if job is not None and job.committed is not None:
            with engine.begin() as connection:
                keep(connection, job, job.committed)

    with _never_kept(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(databases, "_transaction", transaction)
        yield


@pytest.mark.parametrize("mutant", [_never_kept, _kept_in_the_next_transaction], ids=lambda m: m.__name__.strip("_"))
def test_the_harness_finds_a_result_that_is_not_in_the_transaction(
    quick_path: Path, mutant: Callable[[], Any], fresh: Callable[[int | None], str]
) -> None:
    for point in range(1, 60):
        faults, _, _ = live_through(quick_path, fresh(point), point, wreck=mutant)
        if faults:
            return
    pytest.fail("no crash point shows the fault")
