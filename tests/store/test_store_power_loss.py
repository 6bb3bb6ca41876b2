"""The power goes at every moment of the store's work; nothing acknowledged is lost, and nothing is damaged."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit import NOON, FakeClock
from power_loss import Acknowledged, Log, Losses, lose_power_everywhere, open_logged

from hub.model.event import NewEvent
from hub.model.execution import Checkpoint, JobStatus, Settled, StartRequest, Status
from hub.store import open_store
from hub.store.checkpoints import CHECKPOINT, CallWrite
from hub.store.claims import CLAIM, Claimable, ClaimRequest
from hub.store.combined import FINISH, Finish
from hub.store.committing import Committer, Operation
from hub.store.events import STORE_EVENT, arrival
from hub.store.executions import START

#: Few, so that the WAL begins anew every few commits.
_WAL_PAGES = 60


def _work(committer: Committer, log: Log, rounds: int) -> None:
    """What a hub does all day; every answer is noted."""

    def commit(*operations: Operation) -> list[Any]:
        committer.commit(operations)
        return [operation.result for operation in operations]

    def told(table: str, key_column: str, key: str, column: str, *values: Any) -> None:
        log.entries.append(Acknowledged(table, key_column, key, column, values))

    for number in range(rounds):
        event = NewEvent("webhook:hook", f"k-{number}", "webhook", NOON, {}, body=b"x" * 700 * (number % 3))
        request = StartRequest(f"x-{number}", "flow", "{}", None, NOON, f"key-{number}")
        new = arrival(event, NOON)
        commit(Operation(STORE_EVENT, new), Operation(START, request))
        told("events", "id", new.id, "key", f"k-{number}")
        told("executions", "id", f"x-{number}", "status", "PENDING", "RUNNING", "SUCCESS")
        commit(Operation(CLAIM, ClaimRequest("node", (Claimable("flow", "r"),), 1, NOON)))
        told("executions", "id", f"x-{number}", "status", "RUNNING", "SUCCESS")
        for step in range(2):
            path = f"{number}/step-{step}"
            call = Checkpoint(path, "step", JobStatus.SUCCESS, "[]", "h", "1", None, 1, False, NOON, NOON, 1)
            commit(Operation(CHECKPOINT, CallWrite(f"x-{number}", 1, call)))
            told("checkpoints", "path", path, "status", "SUCCESS")
        commit(Operation(FINISH, Finish(None, Settled(f"x-{number}", 1, Status.SUCCESS, NOON, result="1"))))
        told("executions", "id", f"x-{number}", "status", "SUCCESS")


def _lose(
    patch: pytest.MonkeyPatch, folder: Path, rounds: int, rewrite: Callable[[str], str] = lambda sql: sql
) -> tuple[Log, Losses]:
    path = folder / "store" / "hub.db"
    path.parent.mkdir()
    asyncio.run(open_store(f"sqlite:///{path}", FakeClock(), inline=True, checkpoints=False).close())
    connection, log = open_logged(patch, path, wal_pages=_WAL_PAGES, rewrite=rewrite)
    _work(Committer(connection), log, rounds)
    connection.close()
    with tempfile.TemporaryDirectory(dir=folder) as found:
        return log, lose_power_everywhere(log, path.name, Path(found))


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_and_nothing_damaged(monkeypatch: pytest.MonkeyPatch, quick_path: Path) -> None:
    log, losses = _lose(monkeypatch, quick_path, 5)
    assert losses.lost == []
    assert losses.corrupt == []
    assert losses.states > 300
    assert {type(entry).__name__ for entry in log.entries} >= {"Written", "Synced", "Acknowledged"}
    assert any(getattr(entry, "file", "") == "hub.db" for entry in log.entries), "the WAL was moved into the file"


def test_commits_that_are_not_flushed_are_found_out(monkeypatch: pytest.MonkeyPatch, quick_path: Path) -> None:
    """The planted fault: `synchronous=NORMAL`, which no kill of a process can show."""
    _, losses = _lose(
        monkeypatch, quick_path, 2, lambda sql: sql.replace("PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL")
    )
    assert len(losses.lost) > 10
    assert losses.corrupt == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nothing_is_lost_in_many_thousand_losses(monkeypatch: pytest.MonkeyPatch, quick_path: Path) -> None:
    _, losses = _lose(monkeypatch, quick_path, 60)
    assert (losses.lost, losses.corrupt) == ([], [])
    assert losses.states > 5_000
