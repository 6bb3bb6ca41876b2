"""A real server whose databases are held by somebody else, or are not there: it says so, loses nothing, and recovers by itself."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from hub_process import Hub, Project, until
from server_projects import lay_out, start

HOOK = {"trigger": {"webhook": {}}}
ROW = {
    "trigger": {"event": {"namespace": "shop", "type": "record.created", "model": "items"}},
    "target": start("echoing", "({ name: args.newRecord.name })"),
}
#: Refusals for which a store is held: each has come while it was.
REFUSALS = 3
HELD = 1.0


@contextmanager
def held(path: Path, *statements: str) -> Iterator[None]:
    """Nobody else writes the database, and but for a write-ahead log nobody reads it either."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        for statement in statements:
            connection.execute(statement)
        yield
        connection.execute("COMMIT")
    finally:
        connection.close()


def reasons(hub: Hub) -> list[str]:
    """Why it is not ready; empty when it is."""
    answer = httpx.get(f"{hub.url}/readyz", timeout=60)
    assert (answer.status_code == 200) == (answer.json()["reasons"] == [])
    return list(answer.json()["reasons"])


def accepted(answer: httpx.Response) -> str | None:
    """The event, if there is one."""
    return answer.json()["event_id"] if answer.status_code == 202 else None


def test_who_comes_to_a_locked_store_is_refused_and_nothing_acknowledged_is_lost(project: Project) -> None:
    workflows = """
    @job
    async def step(input, ctx: Context):
        await asyncio.sleep(0.05)
        return input["n"]

    @job
    async def count(input, ctx: Context):
        return [await step.trigger({"n": n}) for n in range(20)]

    counting = workflow("counting", count)
    """
    lay_out(project, workflows, hook=HOOK)
    acknowledged: list[str] = []
    with project.serving() as hub:
        path = project.webhook_path("hook")
        running = project.run("workflow", "start", "counting", "-m", "workflow-bot", "--json").json["id"]
        until(lambda: project.status(running) == "RUNNING")
        with httpx.Client(base_url=hub.url, timeout=60) as http:
            acknowledged.append(http.post(path, json={}).json()["event_id"])
            with held(project.folder / "var" / "hub.db"):
                for _ in range(REFUSALS):
                    answer = http.post(path, json={})
                    assert answer.status_code == 503, "while nobody can write, nothing is acknowledged"
                    assert int(answer.headers["retry-after"]) > 0
                (reason,) = until(lambda: reasons(hub))
                assert reason.startswith("nothing could be written to the store for ")
                assert http.get("/healthz").status_code == 200, "it is alive all the same"
            acknowledged.append(until(lambda: accepted(http.post(path, json={}))))
        assert project.ended(running) == "SUCCESS", "what was running goes on"
        assert project.execution(running)["attempts"] == 1
        until(lambda: len(project.outcomes("hook")) == len(acknowledged))
        until(lambda: project.store("SELECT count(*) FROM executions WHERE status <> 'SUCCESS'") == [(0,)])
        stored = {row[0] for row in project.store("SELECT id FROM events")}
        assert stored == set(acknowledged), "and nothing that was refused came in after all"
        assert until(lambda: reasons(hub) == [])
        assert hub.stop() == 0


def test_commands_beside_a_locked_store_say_so(project: Project) -> None:
    lay_out(project)
    with project.serving(), held(project.folder / "var" / "hub.db"):
        listed = project.run("workflow", "executions", "--json")
        assert (listed.code, listed.json) == (0, []), "reading goes on"


def test_a_locked_watched_database_is_told_and_its_rows_come_when_it_is_free(project: Project) -> None:
    lay_out(project, hook=HOOK, row=ROW)
    with project.serving() as hub:
        path = project.webhook_path("hook")
        with held(project.folder / "var" / "shop.db", "INSERT INTO items (name) VALUES ('held')"):
            (reason,) = until(lambda: reasons(hub))
            assert 'database "shop": ' in reason
            assert "shop.db is locked by another process" in reason
            time.sleep(HELD)
            assert hub.post(path, json={}).status_code == 202, "webhooks are nobody's rows"
            until(lambda: [one for one in project.outcomes("hook") if one[0] == "started"])
        until(lambda: reasons(hub) == [])
        ((outcome, _, execution),) = until(lambda: project.outcomes("row"))
        assert outcome == "started"
        assert project.ended(execution or "") == "SUCCESS"
        assert project.execution(execution or "")["result"] == {"name": "held"}
        assert any("is locked by another process" in line for line in hub.messages())
        assert until(lambda: any("is watched again" in line for line in hub.messages()))
        assert hub.stop() == 0


def test_a_watched_database_that_is_missing_is_told_and_is_watched_once_it_is_there(project: Project) -> None:
    lay_out(project, hook=HOOK, row=ROW)
    shop = project.folder / "var" / "shop.db"
    shop.rename(shop.with_name("elsewhere.db"))
    hub = project.start()
    try:
        until(hub.listening)
        (reason,) = until(lambda: reasons(hub))
        assert f"there is no file {shop}" in reason
        assert hub.post(project.webhook_path("hook"), json={}).status_code == 202
        until(lambda: [one for one in project.outcomes("hook") if one[0] == "started"])
        assert not shop.exists(), "it is not made by looking at it"
        shop.with_name("elsewhere.db").rename(shop)
        until(lambda: reasons(hub) == [])
        project.sqlite("shop.db", "INSERT INTO items (name) VALUES ('new')")
        assert until(lambda: project.outcomes("row"))[0][0] == "started"
        assert hub.stop() == 0
    finally:
        if hub.process.poll() is None:
            hub.kill()


def test_a_store_that_is_locked_at_the_start_is_told(project: Project) -> None:
    lay_out(project)
    with project.serving() as hub:
        assert hub.stop() == 0
    with held(project.folder / "var" / "hub.db"):
        refused = project.run("serve", "--port", "0", plant={"store_patience": 0.5})
    assert refused.code == 1
    assert refused.err.splitlines()[-1] == (
        "error: the store could not be written for 0.5 s. Look whether its disk has room, whether another program holds it, "
        "and whether its database can be reached; then start again."
    )
    with project.serving():
        """And it starts when it is free."""


def test_storage_that_fails_ends_the_server_and_nothing_acknowledged_is_lost(project: Project) -> None:
    lay_out(project, hook=HOOK)
    path = project.webhook_path("hook")
    with project.serving(plant={"storage_fails_at": 3}) as hub:
        answers = [hub.post(path, json={}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 503]
        assert hub.process.wait() == 1, "whoever started it can see that it failed, and start it again"
        assert "stopped because a part failed: storage failed: disk I/O error" in hub.messages()
    with project.serving():
        until(lambda: project.store("SELECT count(*) FROM executions WHERE status = 'SUCCESS'") == [(2,)])
        assert project.store("SELECT count(*) FROM events") == [(2,)]


def test_many_requests_at_once_are_all_answered_while_the_store_is_locked(project: Project) -> None:
    lay_out(project, hook={"trigger": {"webhook": {"limits": {"rate": 1_000_000}}}})
    with project.serving() as hub:
        path = project.webhook_path("hook")
        statuses: list[int] = []

        def send() -> None:
            statuses.append(hub.post(path, json={}).status_code)

        with held(project.folder / "var" / "hub.db"):
            threads = [threading.Thread(target=send) for _ in range(30)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(set(statuses)) in ([503], [202, 503])
        assert len(statuses) == 30
        assert project.store("SELECT count(*) FROM events") == [(statuses.count(202),)]
