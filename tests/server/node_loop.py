"""Three nodes on one PostgreSQL, of which one is killed every now and then: the loop of `kill_loop`, with the books of `node_books`.

Deliveries go to whichever node answers. Beside the chains there are executions of which only one of each key may run at once:
each notes its begin and its end. And there are schedules, due every minute, which all nodes look at.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx
import psycopg
from chains import EXECUTORS, WORKFLOWS
from hub_process import Hub, Project, Zygote, until
from kill_loop import KillLoop, free_port
from node_books import MINUTE, SCHEDULES, NodeBooks
from server_projects import CONFIG, lay_out, start

from hub.model.clock import SystemClock

NODES = 3
LEASE_SECONDS = 2.0
KEYS = 4
LEFT_ALONE = "workers in a row died with this execution"

ORDERED = """
def turn(ctx, what, key):
    file = os.open("turns", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, f"{ctx.idempotency_key.split('/')[0]} {what} {key}\\n".encode())
    finally:
        os.close(file)

@job
async def one_of_its_key(input, ctx: Context):
    turn(ctx, "begin", input["key"])
    await asyncio.sleep(input["ms"] / 1000)
    turn(ctx, "end", input["key"])
    return input["key"]

keyed = workflow("keyed", one_of_its_key, concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=1, key="input.key"))
"""


class SharedProject(Project):
    """A project whose store is in PostgreSQL."""

    def __init__(self, folder: Any, zygote: Zygote, url: str, env: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, zygote, env)
        self.url = url

    def lay_out(self, workflows: str = "", lease: float = LEASE_SECONDS, **executors: Any) -> None:
        lay_out(self, workflows, **executors)
        config = CONFIG.replace("sqlite:///var/hub.db", json.dumps(self.url))
        self.write("config/hub.yaml", f"{config}engine: {{lease: {lease:g}s}}\n")

    def store(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.replace("?", "%s"), values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


class NodeLoop(KillLoop):
    """`run()` once."""

    def __init__(
        self,
        project: SharedProject,
        seed: int,
        rounds: int,
        plant: Mapping[str, Any] | None = None,
        lease: float = LEASE_SECONDS,
    ) -> None:
        super().__init__(project, seed, rounds, plant)
        self._lease = lease
        self._ports = [free_port(self._random) for _ in range(NODES)]
        self._port = self._ports[0]
        self._hubs: list[Hub] = []

    def _open_books(self) -> NodeBooks:
        return NodeBooks(self._project, self.report, self._looking)

    @property
    def beside(self) -> dict[str, int]:
        return self._books.beside

    def _lay_out(self) -> None:
        assert isinstance(self._project, SharedProject)
        keyed = {
            "trigger": {"webhook": {"dedupe": {"key": "header:x-delivery"}}},
            "target": start("keyed", f"({{ key: args.body.number % {KEYS}, ms: 5 }})"),
        }
        schedule = {
            "trigger": {"schedule": {"cron": "* * * * *", "missed": "all"}},
            "target": start("chain", "({ jobs: 3, ms: 1 })"),
        }
        schedules = {f"minute_{number}": schedule for number in range(SCHEDULES)}
        self._project.lay_out(WORKFLOWS + ORDERED, self._lease, **EXECUTORS, keyed=keyed, **schedules)

    def _settled(self) -> bool:
        """Also what was left alone, because three nodes in a row had died with it: a person lets it go on.

        And no minute is about to begin: its slots would be under way when the last node stops.
        """
        if SystemClock().now() % MINUTE > MINUTE * 3 // 4 or not super()._settled():
            return False
        left = self._project.store(
            "SELECT id FROM executions WHERE status = 'FAILED' AND coalesce(error, '') LIKE ?",
            f"%{LEFT_ALONE}%",
        )
        for (execution,) in left:
            assert self._project.run("workflow", "resume", execution).code == 0
        self._books.beside["left alone"] += len(left)
        return not left

    def _sends_another(self) -> bool:
        """The load lasts as long as the killing, however many that are, and is never less than planned."""
        return not self._killing.is_set() or super()._sends_another()

    def _address(self) -> int:
        with self._lock:
            return self._random.choice(self._ports)

    def _kill_again_and_again(self, hub: Hub) -> None:
        self._hubs = [hub] + [self._project.start(port=port, plant=self._plant) for port in self._ports[1:]]
        for one in self._hubs:
            one.wait_ready()
        path = self._project.webhook_path("keyed")
        feeding = threading.Thread(target=self._feed, args=(path,))
        feeding.start()
        try:
            for _ in range(self._rounds):
                self._one_round()
        finally:
            self._killing.set()
            feeding.join(90)
        # The books of a loop of one server: the last one starts by itself.
        for one in self._hubs:
            one.kill()

    def _one_round(self) -> None:
        before = self._answers
        until(lambda: self._answers > before, why="no answers")
        time.sleep(self._random.uniform(0.4, 1.2))
        number = self._random.randrange(NODES)
        self._hubs[number].process.send(signal.SIGKILL)
        self._hubs[number].process.wait()
        self.report.rounds += 1
        self.report.rounds_with_answers += self._answers > before
        asked = time.monotonic()
        self._hubs[number] = fresh = self._project.start(port=self._ports[number], plant=self._plant)
        until(fresh.listening, why=f"it does not come back: {fresh.log}")
        self.report.restarts.append(time.monotonic() - asked)
        self._looking.after_a_round(fresh)

    def _feed(self, path: str) -> None:
        """Executions with a key, more than can run at once."""
        number = 0
        while not self._killing.is_set():
            number += 1
            hub = self._hubs[number % NODES]
            try:
                hub.post(path, json={"number": number}, headers={"x-delivery": f"keyed-{number}"})
            except httpx.HTTPError:
                time.sleep(0.05)
            time.sleep(0.03)
