"""Commands whose change cannot be written: they wait a while, give up with a sentence, and have changed nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cli_kit import Hub

from hub.assembly import parts
from hub.store.dialects import sqlite

GIVEN_UP = (
    "error: the store could not be written in time: {}. Look whether its disk has room, whether another program holds it, and "
    "whether its database can be reached; then try again.\n"
)


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Another program keeps the store's file to itself, and nobody waits for it for long."""
    with closing(sqlite3.connect(root / "var/hub.db", isolation_level=None)) as other, impatient(0.2):
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def impatient(seconds: float) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_PATIENCE", seconds)
        yield


def dump(root: Path) -> list[str]:
    """All that is in the store."""
    with closing(sqlite3.connect(root / "var/hub.db")) as store:
        return list(store.iterdump())


@pytest.mark.parametrize(
    "words",
    [
        ("executor", "pause", "nightly"),
        ("workflow", "start", "adding", "-m", "bot", "-a", "{}", "-W"),
        ("executor", "trigger", "number-webhook", "-d", "{}"),
        ("executor", "webhook", "list"),  # which makes the token of an address that has none
        ("person", "add", "grace", "--role", "operator"),
    ],
)
def test_a_change_that_cannot_be_written_is_given_up_with_a_sentence(hub: Hub, words: tuple[str, ...]) -> None:
    assert hub("executor", "list").status == 0
    before = dump(hub.root)
    with held(hub.root):
        ran = hub(*words)
    assert (ran.status, ran.out, ran.err) == (1, "", GIVEN_UP.format("database is locked"))
    assert dump(hub.root) == before, "nothing of it comes after all"
    assert hub(*words).status == 0, "and it works once the store can be written"


def test_a_full_disk_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub("executor", "list").status == 0
    opened = sqlite.open_file

    def full(path: Path) -> sqlite3.Connection:
        connection = opened(path)
        connection.execute("PRAGMA max_page_count = 1")  # which stands for: no more than there are
        return connection

    monkeypatch.setattr(sqlite, "open_file", full)
    large = '{"n": 1, "padding": "' + "x" * 100_000 + '"}'
    with impatient(1.0):
        ran = hub("executor", "trigger", "number-webhook", "-d", large)
    assert (ran.status, ran.out, ran.err) == (1, "", GIVEN_UP.format("database or disk is full"))
    assert hub.json("event", "list") == []
    (record,) = hub.json("audit", "list")
    assert "database or disk is full" in record["result"], "a line of its record found room"
