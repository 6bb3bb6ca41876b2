from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from cli_kit import Hub


def _write(hub: Hub, *statements: str) -> None:
    with closing(sqlite3.connect(hub.root / "var/hub.db")) as store:
        for statement in statements:
            store.execute(statement)
        store.commit()


def _with_executions(hub: Hub) -> tuple[str, str]:
    done = hub.json("workflow", "start", "adding", "-m", "bot", "-W")["id"]
    return done, hub.json("workflow", "start", "sleeping", "-m", "bot")["id"]


def test_books_that_balance(hub: Hub) -> None:
    _with_executions(hub)
    found = hub.json("verify")
    assert found == {
        "ok": True,
        "served": False,
        "events": 0,
        "executions": {"PENDING": 1, "SUCCESS": 1},
        "accepted": 2,
        "findings": [],
    }
    ran = hub("verify")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err.splitlines()[-1] == "the books balance"


_NODE = "INSERT INTO nodes (id, host, pid, started_at, lease_until) VALUES ('n', 'h', 1, 0, 99999999999999)"
_ORPHAN = (
    "INSERT INTO checkpoints (execution_id, path, name, status, args, args_hash, attempts, handled, epoch, started_at) "
    "VALUES ('gone', 'a', 'a', 'SUCCESS', '[]', '', 1, 0, 1, 1)"
)
_LATE_EVENT = (
    "INSERT INTO events (id, source, type, namespace, model, time, received_at, payload, executors, state) "
    "VALUES ('e', 'manual:x', 't', '', '', 1, 1, '{}', '[]', 0)"
)
_EMPTY_HANDED = (
    "INSERT INTO deliveries (id, event_id, executor, outcome, reason, execution_id, created_at, evaluation) "
    "VALUES ('e.x', 'e', 'x', 'started', '', 'gone', 99999999999999, '{}')"
)


@pytest.mark.parametrize(
    ("kind", "about", "statements"),
    [
        ("balance", "{open}", ["UPDATE executions SET status = 'CANCELED', due_at = NULL WHERE status = 'PENDING'"]),
        ("balance", "table executions", ["UPDATE executions SET status = 'LOST' WHERE status = 'PENDING'"]),
        ("balance", "delivery e.x", [_LATE_EVENT, _EMPTY_HANDED]),
        ("stranded", "{open}", ["UPDATE executions SET status = 'WAITING', due_at = NULL WHERE status = 'PENDING'"]),
        ("stranded", "{open}", ["UPDATE executions SET due_at = NULL WHERE status = 'PENDING'"]),
        ("orphan", "execution gone", [_ORPHAN]),
        ("overdue", "event e", [_LATE_EVENT, _NODE]),
        ("overdue", "{open}", ["UPDATE executions SET due_at = 1 WHERE status = 'PENDING'", _NODE]),
        ("overdue", "{open}", ["UPDATE executions SET status = 'RUNNING', due_at = NULL, owner = 'dead'", _NODE]),
    ],
)
def test_what_does_not_add_up_is_told(hub: Hub, kind: str, about: str, statements: list[str]) -> None:
    done, still_open = _with_executions(hub)
    if "owner = 'dead'" in statements[0]:
        statements = [f"{statements[0]} WHERE id = '{still_open}'", *statements[1:]]
    _write(hub, *statements)
    found = hub.json("verify", status=1)
    assert [(one["kind"], one["object"]) for one in found["findings"]] == [
        (kind, about.format(open=f"execution {still_open}"))
    ]
    ran = hub("verify")
    assert ran.status == 1
    assert ran.lines()[0] == ["kind", "object", "reason"]
    assert done not in ran.out


def test_a_damaged_file_is_told(hub: Hub) -> None:
    _with_executions(hub)
    path = hub.root / "var/hub.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = store.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'executions_executor'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x0a" + bytes(4095))
    ran = hub("verify", "--json")
    assert ran.status == 1
    assert "damage" in ran.out or "error:" in ran.err
