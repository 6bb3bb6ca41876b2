"""The audit log says so when somebody has altered it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import FakeClock

from hub.model.audit import AuditCheck, AuditEntry, AuditRecord
from hub.store import open_store
from hub.store.audit import chained, check_chain


def written(root: Path, count: int = 5) -> Path:
    async def story() -> None:
        store = open_store(f"sqlite:///{root}/hub.db", FakeClock(), checkpoints=False)
        for number in range(count):
            await store.record(AuditEntry(number, "person:ada", "executor:pause", f"executor e-{number}"), "done")
        await store.close()

    asyncio.run(story())
    return root / "hub.db"


def checked(root: Path) -> AuditCheck:
    async def story() -> AuditCheck:
        store = open_store(f"sqlite:///{root}/hub.db", FakeClock(), checkpoints=False)
        try:
            return await store.check_audit()
        finally:
            await store.close()

    return asyncio.run(story())


def test_what_was_written_holds(quick_path: Path) -> None:
    written(quick_path)
    found = checked(quick_path)
    assert (found.ok, found.count) == (True, 5)


def test_an_empty_log_holds(quick_path: Path) -> None:
    written(quick_path, 0)
    assert checked(quick_path) == AuditCheck(0, "")


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit SET who = 'person:eve' WHERE number = 3", 3),
        ("UPDATE audit SET result = 'failed' WHERE number = 1", 1),
        ("UPDATE audit SET at = at + 1 WHERE number = 5", 5),
        ("UPDATE audit SET before = 'x' WHERE number = 2", 2),
        ("UPDATE audit SET hash = upper(hash) WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 5", 5),
        ("DELETE FROM audit", 1),
        ("UPDATE audit_head SET number = 4, hash = (SELECT hash FROM audit WHERE number = 4)", 6),
        (
            "UPDATE audit SET number = -number; UPDATE audit SET number = CASE number WHEN -1 THEN 2 WHEN -2 THEN 1 ELSE -number END",
            1,
        ),
    ],
)
def test_what_was_altered_is_found(quick_path: Path, statement: str, broken_at: int) -> None:
    with closing(sqlite3.connect(written(quick_path))) as database:
        database.executescript(statement)
        database.commit()
    found = checked(quick_path)
    assert (found.ok, found.broken_at) == (False, broken_at)
    assert found.reason


TEXTS = st.text(max_size=6)
RECORDS = st.builds(
    AuditRecord, st.integers(0, 2**40), TEXTS, TEXTS, TEXTS, TEXTS, st.none() | TEXTS, st.none() | TEXTS
)


@given(st.lists(RECORDS, min_size=1, max_size=6), st.data())
def test_any_other_record_in_any_place_is_found(given_records: Sequence[AuditRecord], data: st.DataObject) -> None:
    chain, before = [], ""
    for number, record in enumerate(given_records, 1):
        numbered = replace(record, number=number)
        before = chained(before, numbered)
        chain.append(replace(numbered, hash=before))
    assert check_chain(chain, AuditCheck(0, "")) == AuditCheck(len(chain), before)
    place = data.draw(st.integers(0, len(chain) - 1))
    other = replace(data.draw(RECORDS), number=place + 1, hash=chain[place].hash)
    if other != chain[place]:
        chain[place] = other
        assert check_chain(chain, AuditCheck(0, "")).broken_at == place + 1
