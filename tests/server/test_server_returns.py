"""Nodes whose cable is pulled again and again, and whose database ends and begins: how soon each is as it was."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hub_process import Hub, Zygote, until
from network_namespace import Namespace, NoNamespace
from node_loop import SharedProject
from postgres_cluster import Cluster
from server_projects import noted

NODES = 6
#: Within so many seconds all is as it was.
NORMAL = 5.0
#: So often all of them together.
RETURNS = int(os.environ.get("CABLE_RETURNS", "204"))
SEED = int(os.environ.get("CABLE_SEED") or random.SystemRandom().randrange(1 << 30))
HOOK = {"trigger": {"webhook": {"dedupe": {"key": "header:x-delivery"}}}}


class Node:
    """A hub of its own, behind a cable of its own when there is one, and people who ask it all the time."""

    def __init__(
        self, place: int, folder: Path, zygote: Zygote, cluster: Cluster, cable: Namespace | None = None
    ) -> None:
        cluster.execute(f"CREATE DATABASE node{place}")
        folder.mkdir()
        self.random = random.Random(SEED + place)
        self._cable = cable
        self._near = SharedProject(folder, zygote, cluster.url(f"node{place}"))
        self._near.lay_out(lease=3.0, hook=HOOK)
        self._path = self._near.webhook_path("hook")
        self._token = self._near.run("machine-user", "token", "reader").out.strip()
        if cable is None:
            self.hub: Hub = self._near.start()
        else:
            far = SharedProject(folder, zygote, f"postgresql://hub@{cable.here}/node{place}")
            far.lay_out(lease=3.0, hook=HOOK)
            self.hub = far.spawn(*cable.before)
        #: (when asked, when answered) of what was taken, and of what was shown.
        self._taken: list[tuple[float, float]] = []
        self._shown: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._asking: threading.Thread | None = None
        #: Seconds for which it was cut off, and from then until a delivery was taken, a list was shown, and a delivery had run.
        self.returns: list[tuple[float, float, float, float]] = []

    def begin(self) -> None:
        until(self.hub.listening)
        start = _thread if self._cable is None else self._cable.thread
        self._asking = start(lambda: asyncio.run(self._ask()))
        until(lambda: self._shown and noted(self._near))

    def end(self) -> None:
        self._over.set()
        if self._asking is not None:
            self._asking.join(60)
        self.hub.kill()

    def play(self, rounds: int) -> None:
        assert self._cable is not None
        for _ in range(rounds):
            time.sleep(self.random.uniform(0.5, 1.5))
            self._cable.pull()
            seconds = self.random.choice((0.5, 2, 4, 8, 12)) * self.random.uniform(0.6, 1.4)
            time.sleep(seconds)
            before = self.ran
            self._cable.plug_in()
            self.measure(seconds, time.monotonic(), before)

    @property
    def ran(self) -> int:
        """Deliveries that have run."""
        return len(noted(self._near))

    def measure(self, seconds: float, back: float, before: int) -> None:
        """It was cut off for so long, and is not since the moment `back`; then so many had run."""
        ran = until(lambda: self.ran > before and time.monotonic(), why="nothing runs")
        taken, shown = (
            until(lambda there=there: [end for begin, end in list(there) if begin > back])[0]
            for there in (self._taken, self._shown)
        )
        self.returns.append((seconds, taken - back, shown - back, ran - back))

    async def _ask(self) -> None:
        """Ten times a second, whether the earlier ones were answered or not."""
        url = self.hub.url
        headers = {"authorization": f"Bearer {self._token}"}
        limits = httpx.Limits(max_connections=None, keepalive_expiry=1)
        async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as client, asyncio.TaskGroup() as asked:
            number = 0
            while not self._over.is_set():
                number += 1
                post = client.build_request("POST", self._path, json={}, headers={"x-delivery": str(number)})
                asked.create_task(self._one_request(client, post, 202, self._taken))
                get = client.build_request("GET", "/api/v1/events?limit=5", headers=headers)
                asked.create_task(self._one_request(client, get, 200, self._shown))
                await asyncio.sleep(0.1)

    async def _one_request(
        self, client: httpx.AsyncClient, request: httpx.Request, wanted: int, there: list[tuple[float, float]]
    ) -> None:
        begun = time.monotonic()
        try:
            answer = await client.send(request)
        except httpx.TransportError:
            return  # a connection that was kept for the next one was closed just then
        assert answer.status_code in (wanted, 503), answer.text
        if answer.status_code == wanted:
            there.append((begun, time.monotonic()))


@pytest.fixture
def cables() -> Iterator[list[Namespace]]:
    if os.geteuid() != 0:
        pytest.skip("a network of its own for a process is made by root only")
    with contextlib.ExitStack() as stack:
        try:
            made = [Namespace(place) for place in range(NODES)]
        except NoNamespace as error:
            pytest.skip(f"this machine gives no network namespaces: {error}")
        for one in made:
            stack.callback(one.close)
        yield made


@pytest.fixture
def cluster(cables: list[Namespace]) -> Iterator[Cluster]:
    made = Cluster(settings=(f"listen_addresses={','.join(one.here for one in cables)}",))
    with (made.data / "pg_hba.conf").open("a") as file:
        file.writelines(f"host all hub {one.here}/30 trust\n" for one in cables)
    made.execute("SELECT pg_reload_conf()")
    yield made
    made.stop()


def _thread(work: Callable[[], None]) -> threading.Thread:
    made = threading.Thread(target=work)
    made.start()
    return made


def check(nodes: list[Node]) -> None:
    returns = [one for node in nodes for one in node.returns]
    for what, column in (("taken", 1), ("shown", 2), ("run", 3)):
        seconds = sorted(one[column] for one in returns)
        p50, p99 = seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]
        print(f"{what} again: p50 {p50:.2f} s, p99 {p99:.2f} s, longest {seconds[-1]:.2f} s")  # noqa: T201 - for -s or -rP
    assert len(returns) == RETURNS // NODES * NODES
    late = [one for one in returns if max(one[1:]) > NORMAL]
    assert not late, f"CABLE_SEED={SEED} repeats it"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_returns(quick_path: Path, zygote: Zygote, cables: list[Namespace], cluster: Cluster) -> None:
    nodes: list[Node] = []
    try:
        for place, cable in enumerate(cables):
            nodes.append(Node(place, quick_path / f"node{place}", zygote, cluster, cable))
            nodes[-1].begin()
        with ThreadPoolExecutor(NODES) as playing:
            list(playing.map(lambda node: node.play(RETURNS // NODES), nodes))
    finally:
        for node in nodes:
            node.end()
    check(nodes)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_database_that_ends_and_begins_two_hundred_times(quick_path: Path, zygote: Zygote) -> None:
    """For all nodes at once."""
    cluster, nodes = Cluster(), list[Node]()
    try:
        for place in range(NODES):
            nodes.append(Node(place, quick_path / f"node{place}", zygote, cluster))
            nodes[-1].begin()
        for _ in range(RETURNS // NODES):
            time.sleep(nodes[0].random.uniform(0.5, 1.5))
            cluster.end(nodes[0].random.choice(("kill", "immediate", "fast")))
            seconds = nodes[0].random.uniform(0, 6)
            time.sleep(seconds)
            before = [node.ran for node in nodes]
            cluster.start()
            back = time.monotonic()
            for node, count in zip(nodes, before, strict=True):
                node.measure(seconds, back, count)
    finally:
        for node in nodes:
            node.end()
        cluster.stop()
    check(nodes)
