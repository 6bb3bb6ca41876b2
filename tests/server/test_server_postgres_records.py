"""A real server on a project whose shop is a PostgreSQL database: rows start workflows, also what was written while it was down."""

from __future__ import annotations

import itertools
import json
import random
import threading
from pathlib import Path

import psycopg
import pytest
from hub_process import Hub, Project, Zygote, until
from server_projects import CONFIG, lay_out, start

ROW = {
    "trigger": {
        "event": {"namespace": "shop", "type": ["record.created", "record.updated"], "model": "items"},
        "condition": "args.newRecord.total > 100",
    },
    "target": start("echoing", "({ id: context.event.data.id, changed: args.changed, total: args.newRecord.total })"),
}


@pytest.fixture
def project(tmp_path: Path, zygote: Zygote, new_postgres_url: str) -> Project:
    made = Project(tmp_path, zygote, {})
    lay_out(made, row=ROW)
    made.write("config/hub.yaml", CONFIG.replace("sqlite:///var/shop.db", new_postgres_url))
    with psycopg.connect(new_postgres_url) as shop:
        shop.execute("CREATE TABLE items (id int PRIMARY KEY, name text, total numeric(10, 2))")
    return made


def _run(url: str, *statements: str) -> None:
    with psycopg.connect(url) as shop:
        for statement in statements:
            shop.execute(statement)  # type: ignore[call-overload]


def test_rows_start_workflows_and_nothing_is_lost_while_it_is_down(project: Project, new_postgres_url: str) -> None:
    with project.serving() as hub:
        assert isinstance(hub, Hub)
        _run(new_postgres_url, "INSERT INTO items VALUES (1, 'lathe', 900.50), (2, 'screw', 1)")
        until(lambda: len(project.outcomes("row")) == 2)
        hub.kill()
    _run(new_postgres_url, "UPDATE items SET total = 901 WHERE id = 1")
    with project.serving():
        until(lambda: len(project.outcomes("row")) == 3)
        created, filtered, updated = project.outcomes("row")
        assert [one[0] for one in (created, filtered, updated)] == ["started", "filtered", "started"]
        assert project.ended(created[2] or "") == "SUCCESS"
        assert project.execution(created[2])["result"] == {"id": 1, "changed": [], "total": 900.5}
        assert project.ended(updated[2] or "") == "SUCCESS"
        assert project.execution(updated[2])["result"] == {"id": 1, "changed": ["total"], "total": 901}


def test_a_server_that_is_killed_while_rows_come_makes_one_execution_of_each(
    project: Project, new_postgres_url: str
) -> None:
    committed: list[int] = []
    stop = threading.Event()

    def write() -> None:
        chance = random.Random(5)
        with psycopg.connect(new_postgres_url, autocommit=True) as shop:
            for number in itertools.count(1):
                if stop.is_set():
                    return
                shop.execute("BEGIN")
                shop.execute("INSERT INTO items VALUES (%s, 'x', 500)", [number])
                keep = chance.random() > 0.1
                shop.execute("COMMIT" if keep else "ROLLBACK")
                if keep:
                    committed.append(number)
                stop.wait(0.005)

    with project.serving():
        pass  # what is written from now on is an event
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for kill in range(3):
            with project.serving() as hub:
                enough = 20 * (kill + 1)
                until(lambda enough=enough: len(project.outcomes("row")) > enough)
                hub.kill()
    finally:
        stop.set()
        writer.join()
    with project.serving():
        until(lambda: len(project.outcomes("row")) >= len(committed))
        until(lambda: not project.store("SELECT 1 FROM executions WHERE status <> 'SUCCESS'"))
    rows = project.store("SELECT result FROM executions")
    assert sorted(json.loads(result)["id"] for (result,) in rows) == committed
    assert {outcome for outcome, _, _ in project.outcomes("row")} == {"started"}
