"""A job's writes and its result are committed together: wherever the process ends, both are there once, or neither is yet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from transacting import live_through, sound

from hub.store import results
from hub.store.results import JobResult

_keep = results.keep


def _fresh(folder: Path, point: int | None) -> str:
    return f"sqlite:///{folder}/ledger-{point}.db"


def test_writes_and_result_are_one_at_every_point(quick_path: Path) -> None:
    faults, points, crashed = live_through(quick_path, _fresh(quick_path, None), None, wreck=sound)
    assert faults == []
    assert not crashed
    assert points.count("before the user's commit") == 3
    assert points.count("after the user's commit") == 3
    for point in range(1, len(points) + 1):
        faults, passed, _ = live_through(quick_path, _fresh(quick_path, point), point, wreck=sound)
        assert faults == [], f"the process ended at point {point}, {passed[-1]}"


@contextlib.contextmanager
def _planted(keep: Callable[[Connection, JobResult, str], None]) -> Iterator[None]:
    results.keep = keep
    try:
        yield
    finally:
        results.keep = _keep


def _never_kept() -> Any:
    return _planted(lambda _connection, _job, _text: None)


def _kept_in_a_transaction_before() -> Any:
    def keep(connection: Connection, job: JobResult, text: str) -> None:
        if connection.engine.dialect.name == "sqlite":  # one writer: end the user's transaction first
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        _keep(connection, job, text)

    return _planted(keep)


@pytest.mark.parametrize("mutant", [_never_kept, _kept_in_a_transaction_before], ids=lambda m: m.__name__.strip("_"))
def test_the_harness_finds_a_result_that_is_not_in_the_transaction(quick_path: Path, mutant: Callable[[], Any]) -> None:
    for point in range(1, 60):
        faults, _, _ = live_through(quick_path, _fresh(quick_path, point), point, wreck=mutant)
        if faults:
            return
    pytest.fail("no crash point shows the fault")
