"""A real server whose webhooks are checked in its second process: either of the two may die, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from flooding import answer, request
from hub_process import Hub, Project, Zygote, until
from server_projects import PASSING, lay_out, start

SECRET = "a-secret-of-enough-bytes-000000"
EXECUTORS = {
    "push": {
        "trigger": {"webhook": {"verify": {"preset": "github", "secret": "${secret:GITHUB}"}}},
        "target": start("passing", "({ delivery: args.body.delivery })"),
    }
}
JOINED = "webhooks come in a flood: they are checked in a process of their own"
SENDERS = 8


@pytest.fixture
def project(quick_path: Path, zygote: Zygote) -> Project:
    made = Project(quick_path, zygote, {"GITHUB": SECRET})
    lay_out(made, PASSING, **EXECUTORS)
    return made


def side_door(hub: Hub) -> int:
    """The server's second process of the same name; its others are programs of their own."""
    pid = hub.process.pid
    (door,) = [
        int(child)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if Path(f"/proc/{child}/cmdline").read_bytes() == Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return door


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def send(hub: Hub, meanwhile: Callable[[int], bool]) -> dict[str, str]:
    """Deliveries without a pause, over a few connections, until their server is gone or `meanwhile(answered)` says so.

    Delivery id -> event id of all that were acknowledged.
    """
    acknowledged: dict[str, str] = {}
    port = httpx.URL(hub.url).port
    assert port is not None
    over = False

    async def sender(name: int) -> None:
        nonlocal over
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = 0
        try:
            while not over:
                number += 1
                writer.write(request("new", f"{name}-{number}", SECRET))
                status, body, _ = await answer(reader)
                if status == 503:  # the store was busy: come again
                    continue
                assert status == 202
                acknowledged[f"{name}-{number}"] = json.loads(body)["event_id"]
                over = over or meanwhile(len(acknowledged))
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def everybody() -> None:
        await asyncio.gather(*[sender(number) for number in range(SENDERS)])

    asyncio.run(everybody())
    return acknowledged


def stored(project: Project) -> dict[str, str]:
    return dict(project.store("SELECT key, id FROM events WHERE source = 'webhook:push'"))


def killed_in_a_flood(project: Project, plant: dict[str, Any]) -> tuple[dict[str, str], int]:
    """What was acknowledged before the server was killed, and what its side door was."""
    with project.serving(plant={"flood_at_once": True, **plant}) as hub:
        door = side_door(hub)
        joined = 0

        def meanwhile(answered: int) -> bool:
            nonlocal joined
            if not joined and JOINED in hub.log:
                joined = answered
            if joined and answered > joined + 300:
                os.kill(hub.process.pid, signal.SIGKILL)
                return True
            return False

        acknowledged = send(hub, meanwhile)
        hub.process.wait()
    until(lambda: not is_there(door), why="the side door outlives its server")
    return acknowledged, joined


def test_a_server_that_is_killed_in_a_flood_has_what_it_acknowledged_and_leaves_nobody_behind(project: Project) -> None:
    acknowledged, joined = killed_in_a_flood(project, {})
    assert joined
    there = stored(project)
    assert {key: there.get(key) for key in acknowledged} == acknowledged
    with project.serving():
        total = len(there)
        done = "SELECT count(DISTINCT event_id) FROM executions WHERE status = 'SUCCESS'"
        until(lambda: project.store(done)[0][0] == total, why="they do not all run")


def test_the_test_above_finds_an_answer_that_is_given_too_early(project: Project) -> None:
    acknowledged, _ = killed_in_a_flood(project, {"acknowledge_early": 1.0})
    there = stored(project)
    assert {key: there.get(key) for key in acknowledged} != acknowledged


def test_without_its_side_door_a_server_goes_on_alone(project: Project) -> None:
    with project.serving(plant={"flood_at_once": True}) as hub:
        door = side_door(hub)
        send(hub, lambda _: JOINED in hub.log)
        acknowledged = send(hub, lambda answered: answered >= 100 and (os.kill(door, signal.SIGKILL) or True))
        until(lambda: any("the side door for webhooks has ended" in line for line in hub.messages()))
        acknowledged |= send(hub, lambda answered: answered >= 100)
        there = stored(project)
        assert {key: there.get(key) for key in acknowledged} == acknowledged
        assert hub.stop() == 0


def test_a_server_that_is_stopped_in_a_flood_answers_first_and_leaves_nobody_behind(project: Project) -> None:
    with project.serving(plant={"flood_at_once": True}) as hub:
        door = side_door(hub)
        send(hub, lambda _: JOINED in hub.log)
        acknowledged = send(hub, lambda answered: answered >= 200 and (hub.process.send(signal.SIGTERM) or True))
        assert hub.process.wait() == 0
        assert not is_there(door)
        there = stored(project)
        assert {key: there.get(key) for key in acknowledged} == acknowledged
        assert "side door" not in hub.log, "it has not failed"


def test_a_secret_that_is_changed_in_a_flood_is_the_one_that_counts(project: Project) -> None:
    with project.serving(plant={"flood_at_once": True}) as hub:
        send(hub, lambda _: JOINED in hub.log)
        text = (project.folder / "executors" / "push.yaml").read_text()
        project.write("executors/push.yaml", text.replace("${secret:GITHUB}", "another-secret-of-enough-bytes-1"))
        until(lambda: any("changed files are in effect" in line for line in hub.messages()))
        raw = request("new", "old-secret", SECRET)
        body = raw.partition(b"\r\n\r\n")[2]
        headers = dict(line.split(": ") for line in raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:])
        assert hub.post("/webhooks/push", content=body, headers=headers).status_code == 401


def test_a_project_can_do_without(project: Project) -> None:
    text = (project.folder / "config" / "hub.yaml").read_text()
    project.write("config/hub.yaml", text.replace("port: 8700", "port: 8700, side_door: false"))
    with project.serving(plant={"flood_at_once": True}) as hub:
        send(hub, lambda answered: answered >= 200)
        assert JOINED not in hub.log
        assert hub.stop() == 0
