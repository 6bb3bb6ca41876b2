"""A node whose network cable is pulled: its database is still there, and nothing of it gets through any more."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from hub_process import Hub, Zygote, until
from network_namespace import Namespace, NoNamespace
from node_loop import SharedProject
from postgres_cluster import Cluster

LEASE = 3.0
STEPS = 150
#: Seconds, longer than any request may take.
PULLED = 9.0

WORKFLOW = """
@job
async def step(input, ctx: Context):
    file = os.open({path!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{{os.getpid()}} {{input}} {{time.monotonic()}}\\n".encode())
    os.close(file)
    return input

@job
async def climb(input, ctx: Context):
    async def later(number):
        while number > 9 and not os.path.exists({path!r} + ".go"):
            await asyncio.sleep(0.05)
        await asyncio.sleep(number * 0.05)
        return await step.trigger(number)

    return await asyncio.gather(*[later(number) for number in range(input["steps"])])

climbing = workflow("climbing", climb)
"""
HOOK = {"trigger": {"webhook": {"dedupe": {"key": "header:x-delivery"}}}}


@pytest.fixture
def cable() -> Iterator[Namespace]:
    if os.geteuid() != 0:
        pytest.skip("a network of its own for a process is made by root only")
    try:
        made = Namespace()
    except NoNamespace as error:
        pytest.skip(f"this machine gives no network namespaces: {error}")
    yield made
    made.close()


@pytest.fixture
def cluster(cable: Namespace) -> Iterator[Cluster]:
    """Also at our end of the cable."""
    made = Cluster(settings=(f"listen_addresses={cable.here}",))
    with (made.data / "pg_hba.conf").open("a") as file:
        file.write(f"host all hub {cable.here}/30 trust\n")
    made.execute("SELECT pg_reload_conf()")
    yield made
    made.stop()


@dataclass
class Asked:
    """What requests to the node came to: (when asked, seconds, status, event of a delivery)."""

    answers: list[tuple[float, float, int, str | None]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self, url: str, path: str, token: str) -> None:
        number = 0
        with httpx.Client(base_url=url, timeout=60) as client:
            while not self.over.wait(0.1):
                number += 1
                for request in (
                    client.build_request("POST", path, json={}, headers={"x-delivery": str(number)}),
                    client.build_request("GET", "/api/v1/events", headers={"authorization": f"Bearer {token}"}),
                    client.build_request("GET", "/readyz"),
                ):
                    begun = time.monotonic()
                    answer = client.send(request)
                    event = answer.json().get("event_id", "") if request.method == "POST" else None
                    self.answers.append((begun, time.monotonic() - begun, answer.status_code, event))

    def accepted_since(self, moment: float) -> list[float]:
        return [begun for begun, _, status, _ in list(self.answers) if status == 202 and begun > moment]


def lay_out(path: Path, zygote: Zygote, url: str, steps: Path) -> SharedProject:
    path.mkdir()
    made = SharedProject(path, zygote, url)
    made.lay_out(WORKFLOW.format(path=str(steps)), lease=LEASE, hook=HOOK)
    return made


def climbed(steps: Path) -> list[tuple[int, int, float]]:
    """(process, number, monotonic seconds) of each step that was begun."""
    lines = steps.read_text().splitlines() if steps.exists() else []
    return [(int(pid), int(number), float(at)) for pid, number, at in map(str.split, lines)]


def begun_by(steps: Path, hub: Hub) -> list[float]:
    return [at for pid, _, at in climbed(steps) if pid == hub.process.pid]


def test_a_node_whose_cable_is_pulled_stops_in_time_and_is_taken_over(
    quick_path: Path, zygote: Zygote, cable: Namespace, cluster: Cluster
) -> None:
    steps = quick_path / "steps"
    near = lay_out(quick_path / "near", zygote, cluster.url(), steps)
    far = lay_out(quick_path / "far", zygote, f"postgresql://hub@{cable.here}/postgres", steps)
    apart = far.spawn(*cable.before)
    asked = Asked()
    hubs, threads = [apart], []
    try:
        until(apart.listening)
        started = near.run(
            "workflow", "start", "climbing", "-m", "workflow-bot", "-a", f'{{"steps": {STEPS}}}', "--json"
        )
        until(lambda: len(climbed(steps)) > 5)
        hubs.append(near.start())
        hubs[1].wait_ready()
        token = far.run("machine-user", "token", "reader").out.strip()
        threads.append(cable.thread(asked.ask, apart.url, near.webhook_path("hook"), token))
        until(lambda: len(asked.accepted_since(0)) > 3)
        Path(f"{steps}.go").touch()  # the others are ready, however long that took
        until(lambda: len(climbed(steps)) > 20)

        stored = near.store("SELECT result FROM checkpoints WHERE name = 'step' AND status = 'SUCCESS'")
        cable.pull()
        pulled = time.monotonic()
        until(lambda: begun_by(steps, hubs[1]), why="nobody takes it over")
        taken_over = begun_by(steps, hubs[1])[0] - pulled
        time.sleep(max(pulled + PULLED - time.monotonic(), 0))
        cable.plug_in()
        back = time.monotonic()
        until(lambda: asked.accepted_since(back), why="it takes nothing any more")
        normal = asked.accepted_since(back)[0] - back

        assert near.ended(started.json["id"]) == "SUCCESS"
        asked.over.set()
        threads[0].join()
        longest = max(seconds for _, seconds, *_ in asked.answers)
        refused = max(seconds for _, seconds, _, event in asked.answers if event is not None)
        print(  # noqa: T201 - figures for whoever asks with -s or -rP
            f"taken over after {taken_over:.2f} s, normal again after {normal:.2f} s, "
            f"longest answer {longest:.2f} s, of a delivery {refused:.2f} s"
        )
        # How soon all of it came is for people to read, above; `test_server_returns.py` measures it.
        _check_steps(steps, apart, (pulled, back), {int(number) for (number,) in stored})
        assert {status for *_, status, _ in asked.answers} <= {200, 202, 503}
        assert not [at for at in asked.accepted_since(pulled + 0.1) if at < back], "nothing was durable then"
        events = {event for (event,) in near.store("SELECT id FROM events WHERE source = 'webhook:hook'")}
        assert {event for *_, event in asked.answers if event} <= events
        until(lambda: len(near.run("node", "list", "--json").json) == 2, why="it is no node any more")
    finally:
        asked.over.set()
        for hub in hubs:
            hub.kill()
        for thread in threads:
            thread.join(60)


def _check_steps(steps: Path, apart: Hub, without: tuple[float, float], stored: set[int]) -> None:
    """Steps do not wait for each other: those that the store never heard of may run twice, and no others.

    A node begins nothing after two thirds of its lease; the rest of it is for what a busy machine holds up between that and the step.
    """
    pulled, back = without
    late = [at - pulled for at in begun_by(steps, apart) if pulled + LEASE < at < back]
    assert late == [], "it began something when another one could have it"
    runs = Counter(number for _, number, _ in climbed(steps))
    assert sorted(runs) == list(range(STEPS))
    assert stored
    assert [number for number in stored if runs[number] > 1] == [], "what was stored has run again"
