"""A server that is killed again and again under load, and the books that are kept of it outside.

Clients post deliveries, some twice; rows are inserted, some rolled back; executions leave a line in a file before each of their
jobs' work (`chains.py`). At the end it is all held against the store (`kill_books.py`).
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from chains import EXECUTORS, WORKFLOWS
from hub_process import Project, until
from kill_books import Books, Report, Sent
from looking import Looking
from server_projects import lay_out

CLIENTS = 4
PER_ROUND = 40
REPEATED = 0.2
ROLLED_BACK = 0.1


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
        self._lock = threading.Lock()
        self._killing = threading.Event()
        self._over = threading.Event()
        self._answers = 0
        self._looking = Looking(project, rounds)
        self._books = self._open_books()

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
        self._books.check()
        return self.report

    def _open_books(self) -> Books:
        return Books(self._project, self.report, self._looking)

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
            if number % 10 == 6:  # now and then it dies while it starts
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
        self._until_settled(patience)
        self._looking.ask(hub)
        if hub.stop() != 0:
            self.report.wrong.append(f"the last server did not stop in order: {hub.log[-500:]}")

    def _until_settled(self, patience: float) -> None:
        """However long it takes, as long as it goes on."""
        left, end = [], 0.0
        while not self._settled():
            if (now := self._left()) != left:
                left, end = now, time.monotonic() + patience
            assert time.monotonic() < end, f"for {patience} s nothing more of this has come to its end: {left}"
            time.sleep(0.01)

    def _settled(self) -> bool:
        return not any(self._left())

    def _left(self) -> list[int]:
        """How many executions have not ended, how many events were not dispatched, and how many rows were not taken."""
        waiting = "SELECT count(*) FROM executions WHERE status NOT IN ('SUCCESS', 'FAILED', 'CANCELED')"
        new = "SELECT count(*) FROM events WHERE state = 0"
        rows = "SELECT count(*) FROM _hub_outbox"
        counted = [*self._project.store(waiting), *self._project.store(new), *self._project.sqlite("shop.db", rows)]
        return [count for (count,) in counted]

    # --- senders

    def _client(self, seed: int) -> None:
        choose = random.Random(seed)
        connection: http.client.HTTPConnection | None = None
        earlier: list[Sent] = []
        while not self._over.is_set():
            with self._lock:
                if not self._sends_another():
                    break
                one = self._planned(len(self._books.sent))
                self._books.sent.append(one)
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
        return len(self._books.sent) < self.report.planned

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
                    self._books.committed.update(rows)
                time.sleep(choose.uniform(0.02, 0.08))


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
