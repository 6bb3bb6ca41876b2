"""A hub of two nodes is brought to this version one node at a time, while deliveries come; the version before joins no more then."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import tarfile
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest
from hub_process import ROOT, Hub, Zygote, until
from node_loop import SharedProject
from server_projects import noted, start

#: The last one whose store had version 4.
PREVIOUS = "aa9ec2570d"

CHAIN = """
@job
async def first(input, ctx: Context):
    note(ctx, input["n"])
    await asyncio.sleep(0.02)
    return input["n"]

@job
async def chain(input, ctx: Context):
    n = await first.trigger(input)
    await ctx.step.sleep("rest", "200ms")
    note(ctx, n)
    return n

chained = workflow("chained", chain)
"""


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it was before the schema changed last."""
    archive = subprocess.run(["git", "archive", PREVIOUS, "hub"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this checkout's history does not go back to {PREVIOUS}, the version before")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder


class Senders:
    """Deliveries to whichever node answers, until it is told to stop."""

    def __init__(self, path: str) -> None:
        self.hubs: list[Hub] = []
        self.accepted: list[int] = []
        self._path = path
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Senders:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def until_more(self, count: int) -> None:
        wanted = len(self.accepted) + count
        until(lambda: len(self.accepted) >= wanted, why="nothing is accepted")

    def _send(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._over.wait(0.005):
                number = next(self._numbers)
                hubs = list(self.hubs)
                try:
                    answer = client.post(hubs[number % len(hubs)].url + self._path, json={"n": number})
                except httpx.TransportError:
                    continue  # it may have been accepted or not
                if answer.status_code == 202:
                    self.accepted.append(number)


def spawn(project: SharedProject, tree: Path) -> Hub:
    project.env = {"PYTHONPATH": str(tree)}
    return project.spawn()


@pytest.mark.long
def test_nodes_are_replaced_one_by_one(quick_path: Path, zygote: Zygote, postgres_url: str, previous: Path) -> None:
    project = SharedProject(quick_path, zygote, postgres_url)
    hook = {"trigger": {"webhook": {}}, "target": start("chained", "JSON.stringify(args.body)")}
    project.lay_out(CHAIN, hook=hook)
    hubs = [spawn(project, previous) for _ in range(2)]
    try:
        for hub in hubs:
            hub.wait_ready()
        assert project.store("SELECT value FROM meta WHERE key = 'schema'") == [("4",)]
        (token,) = project.store("SELECT token FROM webhook_tokens")[0]
        with Senders(f"/webhooks/hook/{token}") as senders:
            senders.hubs = list(hubs)
            senders.until_more(100)
            hubs[0].kill()
            senders.hubs = [hubs[1]]
            hubs.append(spawn(project, ROOT))
            hubs[2].wait_ready()
            assert project.store("SELECT value FROM meta WHERE key = 'schema'") == [("5",)]
            senders.hubs = hubs[1:]
            senders.until_more(200)  # both versions at work
            assert hubs[1].process.poll() is None
            late = spawn(project, previous)
            hubs.append(late)
            assert late.process.wait() == 1
            assert "a newer hub has used it" in late.log
            hubs[1].kill()
            senders.hubs = [hubs[2]]
            senders.until_more(100)
        open_ones = "SELECT count(*) FROM executions WHERE status NOT IN ('SUCCESS', 'FAILED', 'CANCELED')"
        until(lambda: project.store(open_ones) == [(0,)], why="not all of it ends")
        ended = project.store("SELECT status, result FROM executions")
        assert {status for status, _ in ended} == {"SUCCESS"}
        times = Counter(json.loads(result) for _, result in ended)
        assert [number for number in senders.accepted if times[number] != 1] == []
        assert max(times.values()) == 1
        assert {int(words[-1]) for words in noted(project)} >= set(senders.accepted)
        project.env = {}
        assert project.run("verify", "--json").json["findings"] == []
    finally:
        for hub in hubs:
            if hub.process.poll() is None:
                hub.kill()
