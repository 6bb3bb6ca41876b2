"""Servers that are restarted again and again, two at a time: each is a node of its own, and no identifier is made twice."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
from hub_process import Hub, Zygote, until
from node_loop import SharedProject

HOOK = {"trigger": {"webhook": {}}}


def _restart(project: SharedProject, path: str, times: int, accepted: list[str], seed: int) -> None:
    """Begin, take a delivery or two, and die."""
    choose = random.Random(seed)
    for _ in range(times):
        hub = project.start()
        try:
            until(hub.listening, why=f"it does not begin: {hub.log}")
            accepted += [
                until(lambda hub=hub: _accepted(hub, path), why="it takes nothing") for _ in range(choose.randint(1, 2))
            ]
            time.sleep(choose.uniform(0, 0.03))
        finally:
            hub.kill()


def _accepted(hub: Hub, path: str) -> str | None:
    """The event of a delivery; None: the store was busy."""
    answer = hub.post(path, json={})
    assert answer.status_code in (202, 503), answer.text
    return str(answer.json()["event_id"]) if answer.status_code == 202 else None


@pytest.mark.parametrize("restarts", [10, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_no_two_processes_are_the_same_node(quick_path: Path, zygote: Zygote, postgres_url: str, restarts: int) -> None:
    project = SharedProject(quick_path, zygote, postgres_url)
    project.lay_out(lease=1, hook=HOOK)
    path = project.webhook_path("hook")
    accepted: list[str] = []
    begun = time.monotonic()
    both = [threading.Thread(target=_restart, args=(project, path, restarts // 2, accepted, seed)) for seed in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    print(f"{restarts} restarts in {time.monotonic() - begun:.0f} s, {len(accepted)} deliveries")  # noqa: T201 - figures
    assert len(accepted) >= restarts, "a server has not come back"
    nodes = project.store("SELECT id, pid FROM nodes")
    assert len(nodes) == restarts, "as many nodes as there were processes"
    assert len(set(accepted)) == len(accepted)
    with project.serving():
        until(
            lambda: (
                project.store("SELECT count(*) FROM executions WHERE status = 'SUCCESS'")
                == project.store("SELECT count(*) FROM events")
            ),
        )
    assert project.run("verify", "--json").json["findings"] == []
    events = [event for (event,) in project.store("SELECT id FROM events")]
    assert set(accepted) <= set(events), "what was refused may be there all the same"
