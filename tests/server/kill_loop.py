"""A server that is killed again and again under load, and the books that are kept of it outside.

Clients post deliveries, some twice; rows are inserted, some rolled back; executions leave a line in a file before each of their
jobs' work. What clients were answered, what was committed and what stands in that file is compared with the store at the end:
the hub's own word is not asked.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import sqlite3
import statistics
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from hub_process import Project, until
from looking import Looking
from server_projects import lay_out, noted, start

WORKFLOWS = """
def leave(ctx, stage):
    note(ctx, stage, ctx._run.claimed.epoch, time.monotonic())

async def work(input, ctx):
    leave(ctx, input["stage"])
    await asyncio.sleep(input["ms"] / 1000)
    return input["stage"]

@job
async def first(input, ctx: Context):
    return await work(input, ctx)

@job
async def second(input, ctx: Context):
    return await work(input, ctx)

@job
async def third(input, ctx: Context):
    return await work(input, ctx)

@job
def fourth(input, ctx: Context):
    leave(ctx, input["stage"])
    time.sleep(input["ms"] / 1000)
    return input["stage"]

@job
async def fifth(input, ctx: Context):
    return await work(input, ctx)

@job
async def several(input, ctx: Context):
    ms = input["ms"]
    done = [await first.trigger({"stage": 1, "ms": ms})]
    done += await asyncio.gather(second.trigger({"stage": 2, "ms": ms}), third.trigger({"stage": 2, "ms": 2 * ms}))
    if input["jobs"] > 3:
        done.append(await fourth.trigger({"stage": 3, "ms": ms}))
    if input["jobs"] > 4:
        done.append(await fifth.trigger({"stage": 4, "ms": ms}))
    leave(ctx, 9)
    return done

chain = workflow("chain", several)
"""
STAGES = [1, 2, 2, 3, 4]
EXECUTORS = {
    "hook": {
        "trigger": {"webhook": {"dedupe": {"key": "header:x-delivery"}}},
        "target": start("chain", "({ jobs: args.body.jobs, ms: args.body.ms })"),
    },
    "row": {
        "trigger": {"event": {"namespace": "shop", "type": "record.created", "model": "items"}},
        "target": start("chain", "({ jobs: args.newRecord.total, ms: 2 })"),
    },
}

CLIENTS = 4
PER_ROUND = 40
REPEATED = 0.2
ROLLED_BACK = 0.1


@dataclass(slots=True)
class Sent:
    """A delivery as its sender knows it."""

    id: str
    body: dict[str, Any]
    #: Event ids that it was answered with.
    answers: list[str] = field(default_factory=list)
    #: When the first of them had come.
    answered_at: float = 0
    #: Requests that got no answer: the event may be stored or not.
    unknown: int = 0
    refused: int = 0


@dataclass(slots=True)
class Report:
    """What came of it. `wrong` is empty when every promise held."""

    seed: int
    rounds: int = 0
    seconds: float = 0
    planned: int = 0
    sent: int = 0
    acknowledged: int = 0
    unknown: int = 0
    unknown_stored: int = 0
    rows: int = 0
    lost: int = 0
    duplicates: int = 0
    #: Jobs that ran again though their result was stored, and those that had begun and had none.
    run_again: int = 0
    jobs_run_twice: int = 0
    rounds_with_answers: int = 0
    looks: int = 0
    restarts: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        restarts = sorted(self.restarts)
        return (
            f"seed {self.seed}: {self.rounds} kills in {self.seconds:.0f} s ({self.rounds / self.seconds * 60:.0f} a minute), "
            f"{self.acknowledged} deliveries acknowledged, {self.unknown} without an answer of which {self.unknown_stored} "
            f"stored, {self.rows} rows, {self.lost} lost, {self.duplicates} twice, {self.run_again} jobs run again after their "
            f"checkpoint and {self.jobs_run_twice} before it, {self.looks} looks, listening again after "
            f"{statistics.median(restarts):.2f} s (p50) {restarts[int(len(restarts) * 0.99)]:.2f} s (p99); "
            + (f"WRONG: {len(self.wrong)}: " + "; ".join(self.wrong[:10]) if self.wrong else "nothing wrong")
        )


class KillLoop:
    """One loop over one project. `run()` once."""

    def __init__(self, project: Project, seed: int, rounds: int, plant: Mapping[str, Any] | None = None) -> None:
        self._project = project
        self._random = random.Random(seed)
        self._rounds = rounds
        self._plant = plant
        self._port = free_port(self._random)
        self._path = ""
        self.report = Report(seed, planned=rounds * PER_ROUND)
        self._sent: list[Sent] = []
        self._lock = threading.Lock()
        self._killing = threading.Event()
        self._over = threading.Event()
        self._committed: dict[int, int] = {}
        self._answers = 0
        self._looking = Looking(project, rounds)

    def run(self, patience: float = 60.0) -> Report:
        """Kill it so many times under load, let everything come to its end, and look."""
        self._lay_out()
        begun = time.monotonic()
        hub = self._project.start(port=self._port, plant=self._plant)
        hub.wait_ready()
        self._path = self._project.webhook_path("hook")
        seeds = [self._random.randrange(1 << 30) for _ in range(CLIENTS + 1)]
        threads = [threading.Thread(target=self._client, args=(seed,)) for seed in seeds[1:]]
        threads.append(threading.Thread(target=self._insert_rows, args=(seeds[0],)))
        for thread in threads:
            thread.start()
        try:
            self._kill_again_and_again(hub)
            self.report.seconds = time.monotonic() - begun
            self._drain(threads, patience)
        finally:
            self._over.set()
            for thread in threads:
                thread.join(90)
        self._check()
        return self.report

    def _lay_out(self) -> None:
        lay_out(self._project, WORKFLOWS, **EXECUTORS)

    def _kill_again_and_again(self, hub: Any) -> None:
        report = self.report
        for number in range(self._rounds):
            before = self._answers
            if number % 2:  # the others may die before anybody is answered
                until(lambda before=before: self._answers > before or not self._sends_another(), why="no answers")
            time.sleep(self._random.uniform(0.02, 0.6))
            hub.kill()
            report.rounds += 1
            report.rounds_with_answers += self._answers > before
            asked = time.monotonic()
            hub = self._project.start(port=self._port, plant=self._plant)
            if self._random.random() < 0.1:  # now and then it dies while it starts
                time.sleep(self._random.uniform(0, 0.1))
                continue
            until(lambda hub=hub: hub.listening(), why=f"it does not come back: {hub.log}")
            report.restarts.append(time.monotonic() - asked)
            self._looking.after_a_round(hub)
        hub.kill()

    def _drain(self, threads: list[threading.Thread], patience: float) -> None:
        """A server that is left alone: what is planned is sent, and all comes to its end."""
        hub = self._project.start(port=self._port, plant=self._plant)
        self._killing.set()
        hub.wait_ready()
        for thread in threads:
            thread.join(patience)
        until(self._settled, patience, "not everything comes to its end")
        self._looking.ask(hub)
        if hub.stop() != 0:
            self.report.wrong.append(f"the last server did not stop in order: {hub.log[-500:]}")

    def _settled(self) -> bool:
        waiting = "SELECT count(*) FROM executions WHERE status NOT IN ('SUCCESS', 'FAILED', 'CANCELED')"
        new = "SELECT count(*) FROM events WHERE state = 0"
        return self._project.store(waiting) == self._project.store(new) == [(0,)] and self._project.sqlite(
            "shop.db", "SELECT count(*) FROM _hub_outbox"
        ) == [(0,)]

    # --- senders

    def _client(self, seed: int) -> None:
        choose = random.Random(seed)
        connection: http.client.HTTPConnection | None = None
        earlier: list[Sent] = []
        while not self._over.is_set():
            with self._lock:
                if not self._sends_another():
                    break
                one = self._planned(len(self._sent))
                self._sent.append(one)
            earlier.append(one)
            todo = [one] if choose.random() > REPEATED else [one, choose.choice(earlier)]
            for sent in todo:
                gives_up = choose.random() < 0.3
                while not self._over.is_set():
                    connection = self._post(sent, connection)
                    if connection is not None or (gives_up and sent.unknown):
                        break
                    time.sleep(0.01)
            # Slower than the hub, so that the load lasts as long as the killing; afterwards at once.
            if not self._killing.is_set():
                time.sleep(choose.uniform(0.01, 0.06))
        if connection is not None:
            connection.close()

    def _sends_another(self) -> bool:
        """Whether there is more to send than has been taken."""
        return len(self._sent) < self.report.planned

    def _planned(self, number: int) -> Sent:
        name = f"delivery-{self.report.seed}-{number}"
        return Sent(name, {"delivery": name, "jobs": self._random.randint(3, 5), "ms": self._random.randint(0, 15)})

    def _post(self, sent: Sent, connection: http.client.HTTPConnection | None) -> http.client.HTTPConnection | None:
        """Send it once; the connection when it was answered."""
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._address(), timeout=60)
            try:
                connection.connect()
            except OSError:
                connection.close()
                return None
        try:
            headers = {"x-delivery": sent.id, "content-type": "application/json"}
            connection.request("POST", self._path, json.dumps(sent.body), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            sent.unknown += 1
            connection.close()
            return None
        if answer.status == 202:
            sent.answered_at = sent.answered_at or time.monotonic()
            sent.answers.append(json.loads(body)["event_id"])
            self._answers += 1
        else:
            sent.refused += 1
            if answer.status != 503:
                self.report.wrong.append(f"{sent.id} was answered {answer.status}")
        return connection

    def _address(self) -> int:
        """The port of a server that may be there."""
        return self._port

    def _insert_rows(self, seed: int) -> None:
        choose = random.Random(seed)
        with closing(
            sqlite3.connect(self._project.folder / "var" / "shop.db", timeout=60, isolation_level=None)
        ) as connection:
            number = 0
            while not self._over.is_set() and not self._killing.is_set():
                rows = [(number := number + 1, choose.randint(3, 5)) for _ in range(choose.randint(1, 3))]
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT INTO items (id, name, total) VALUES (?, 'row', ?)", rows)
                if choose.random() < ROLLED_BACK:
                    connection.execute("ROLLBACK")
                else:
                    connection.execute("COMMIT")
                    self._committed.update(rows)
                time.sleep(choose.uniform(0.02, 0.08))

    # --- the books

    def _check(self) -> None:
        report, store = self.report, self._project.store
        report.rows = len(self._committed)
        events: dict[str, list[str]] = {}
        for identifier, body in store("SELECT id, body FROM events WHERE source = 'webhook:hook'"):
            events.setdefault(json.loads(body)["delivery"], []).append(identifier)
        executions: dict[str, list[tuple[str, str, Any]]] = {}
        for event, execution, status, result in store("SELECT event_id, id, status, result FROM executions"):
            executions.setdefault(event, []).append((execution, status, result))
        for sent in self._sent:
            self._check_delivery(sent, events.get(sent.id, []), executions)
        self._check_rows(executions)
        self._check_effects()
        self._check_store()

    def _check_store(self) -> None:
        if (broken := self._project.store("PRAGMA integrity_check")) != [("ok",)]:
            self.report.wrong.append(f"the store is damaged: {broken}")
            return
        self._check_books()
        self._check_history()

    def _check_books(self) -> None:
        books = self._project.run("verify", "--json", seconds=120).json
        self.report.wrong += [f"the books: {one['object']}: {one['reason']}" for one in books["findings"]]

    def _check_history(self) -> None:
        self.report.looks = len(self._looking.deliveries)
        self.report.wrong += self._looking.wrong(
            [sent.id for sent in self._sent],
            {sent.id: sent.answered_at for sent in self._sent if sent.answers},
            {event for sent in self._sent for event in sent.answers},
        )

    def _check_delivery(self, sent: Sent, stored: list[str], executions: dict[str, list[tuple[str, str, Any]]]) -> None:
        report = self.report
        report.sent += bool(sent.answers or sent.unknown or sent.refused)
        if sent.answers:
            report.acknowledged += 1
            if not stored:
                report.lost += 1
                report.wrong.append(f"lost: {sent.id} was acknowledged as {sent.answers}")
            elif set(sent.answers) != set(stored):
                report.wrong.append(f"answers differ: {sent.id} was told {set(sent.answers)} and is stored as {stored}")
        elif sent.unknown:
            report.unknown += 1
            report.unknown_stored += bool(stored)
        if len(stored) > 1:
            report.duplicates += 1
            report.wrong.append(f"duplicate: {sent.id} is stored {len(stored)} times")
        for event in stored:
            self._check_executions(sent.id, executions.get(event, []), sent.body["jobs"])

    def _check_executions(self, what: str, found: list[tuple[str, str, Any]], jobs: int) -> None:
        if len(found) != 1:
            self.report.lost += not found
            self.report.duplicates += len(found) > 1
            self.report.wrong.append(f"{what} has {len(found)} executions")
        for execution, status, result in found:
            if status != "SUCCESS" or json.loads(result) != STAGES[:jobs]:
                self.report.wrong.append(f"{what}: execution {execution} is {status} with {result}")

    def _check_rows(self, executions: dict[str, list[tuple[str, str, Any]]]) -> None:
        seen: Counter[int] = Counter()
        for event, payload in self._project.store("SELECT id, payload FROM events WHERE source = 'record:shop'"):
            row = json.loads(payload)["new"]
            seen[row["id"]] += 1
            self._check_executions(f"row {row['id']}", executions.get(event, []), round(row["total"]))
        for row in self._committed.keys() | seen.keys():
            if seen[row] != (row in self._committed):
                self.report.lost += row in self._committed and not seen[row]
                self.report.duplicates += seen[row] > 1 or row not in self._committed
                self.report.wrong.append(
                    f"row {row}: {'committed' if row in self._committed else 'rolled back'} and {seen[row]} events"
                )

    def _check_effects(self) -> None:
        """Once a later job of an execution has begun, no earlier one ever runs again."""
        reached: dict[str, int] = {}
        ran: Counter[str] = Counter()
        for path, _, stage, *_ in noted(self._project):
            execution = path.split("/")[0]
            ran[path] += int(stage) != 9
            if int(stage) < reached.get(execution, 0):
                self.report.run_again += 1
                self.report.wrong.append(f"{path} (stage {stage}) ran again after stage {reached[execution]}")
            reached[execution] = max(int(stage), reached.get(execution, 0))
        self.report.jobs_run_twice = sum(count > 1 for count in ran.values())
        done = "SELECT id FROM executions WHERE status = 'SUCCESS' AND workflow = 'chain'"
        ended = {found for (found,) in self._project.store(done)}
        for execution in ended - {one for one, stage in reached.items() if stage == 9}:
            self.report.wrong.append(f"execution {execution} succeeded and has not run to its end")


def free_port(choose: random.Random) -> int:
    """Below the ports that the system gives to those who connect: one of these could otherwise take it meanwhile."""
    while True:
        port = choose.randint(20_000, 32_000)
        with socket.socket() as trying:
            try:
                trying.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
