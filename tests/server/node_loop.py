"""Three nodes on one PostgreSQL, of which one is killed every now and then: the books of `kill_loop`, and those of order and slots.

Deliveries go to whichever node answers. Beside the chains there are executions of which only one of each key may run at once:
each notes its begin and its end. And there are schedules, due every minute, which all nodes look at.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx
import psycopg
from history import Turn, one_at_a_time
from hub_process import Hub, Project, Zygote, until
from kill_loop import EXECUTORS, WORKFLOWS, KillLoop, free_port
from server_projects import CONFIG, lay_out, start

from hub.model.clock import SystemClock

NODES = 3
LEASE_SECONDS = 2.0
KEYS = 4
SCHEDULES = 5
MINUTE = 60_000
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

    def __init__(self, project: SharedProject, seed: int, rounds: int, plant: Mapping[str, Any] | None = None) -> None:
        super().__init__(project, seed, rounds, plant)
        self._ports = [free_port(self._random) for _ in range(NODES)]
        self._port = self._ports[0]
        self._hubs: list[Hub] = []
        #: What there was beside the deliveries and rows: executions with a key, slots of schedules, and executions that were left
        #: alone after three deaths, and resumed.
        self.beside = {"turns": 0, "slots": 0, "left alone": 0}

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
        self._project.lay_out(WORKFLOWS + ORDERED, **EXECUTORS, keyed=keyed, **schedules)

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
        self.beside["left alone"] += len(left)
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

    def _check_store(self) -> None:
        self._check_books()
        self._check_history()
        self._check_order()
        self._check_slots()
        self._check_slips()

    def _check_order(self) -> None:
        """Of each key one at a time, in the order in which they were started; and all of them succeed."""
        lines = [line.split() for line in (self._project.folder / "turns").read_text().splitlines()]
        turns = [Turn(key, execution, what == "end") for execution, what, key in lines]
        rows = self._project.store("SELECT id, status FROM executions WHERE workflow = 'keyed' ORDER BY created_at, id")
        self.report.wrong += one_at_a_time(turns, [execution for execution, _ in rows])
        ended = {turn.who for turn in turns if turn.ended}
        self.report.wrong += [
            f"{one} with a key is {status} and has {'' if one in ended else 'not '}come to its end"
            for one, status in rows
            if status != "SUCCESS" or one not in ended
        ]
        self.beside["turns"] = len(ended)

    def _check_slots(self) -> None:
        """Every minute from the first record to the last has one of each schedule, and one execution that has ended."""
        store, report = self._project.store, self.report
        events = Counter(store("SELECT source, time FROM events WHERE type = 'schedule'"))
        executions = dict(store("SELECT event_id, status FROM executions"))
        minutes = {at for (at,) in store("SELECT at FROM slots")}
        whole = range(min(minutes, default=0), max(minutes, default=-1) + 1, MINUTE)
        recorded = store("SELECT executor, at, event_id FROM slots")
        self.beside["slots"] = len(recorded)
        wanted = sorted((f"minute-{number}", at) for number in range(SCHEDULES) for at in whole)
        if sorted((executor, at) for executor, at, _ in recorded) != wanted:
            report.wrong.append(f"slots: {len(recorded)} are recorded, {len(wanted)} were due")
        for executor, at, event in recorded:
            fired = events[f"schedule:{executor}", at]
            if fired != 1 or executions.get(event) != "SUCCESS":
                report.wrong.append(
                    f"slot {at} of {executor}: {fired} events, its execution is {executions.get(event)}"
                )

    def _check_slips(self) -> None:
        """Servers that stopped in order have taken their slips along."""
        writers = self._project.store("SELECT count(DISTINCT writer) FROM commits")[0][0]
        if writers > self.report.rounds + NODES * 2 + 20:
            self.report.wrong.append(f"{writers} writers have left slips behind")
