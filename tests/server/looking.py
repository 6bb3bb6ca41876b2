"""Looks at a hub's store while it is killed again and again, and what the histories of these looks tell."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from typing import Any

import httpx
from history import Epochs, Seen, Work, epochs, set_full, total_queue
from hub_process import Hub, Project
from server_projects import noted

#: In a loop however long: each look reads everything.
_LOOKS = 30
#: Of so many looks one asks the hub as well.
_ASKED = 8

_EPOCHS = (
    "SELECT e.id, e.epoch, c.path, c.epoch FROM executions e LEFT JOIN checkpoints c ON c.execution_id = e.id "
    "WHERE e.workflow = 'chain'"
)
_WORK = (
    "SELECT c.execution_id || '/' || c.path, c.attempts, e.epoch - 1 FROM checkpoints c "
    "JOIN executions e ON e.id = c.execution_id WHERE e.workflow = 'chain'"
)


class Looking:
    """Of the deliveries to `hook`, and of the executions of `chain`, whose lines in `noted` carry epoch and time."""

    def __init__(self, project: Project, rounds: int) -> None:
        self._project = project
        self._every = max(1, rounds // _LOOKS)
        self._rounds = 0
        self._head: dict[str, str] = {}
        self.deliveries: list[Seen] = []
        self.epochs: list[Epochs] = []

    def after_a_round(self, hub: Hub) -> None:
        self._rounds += 1
        if self._rounds % self._every == 0:
            self.look()
        if self._rounds % (_ASKED * self._every) == 0:
            self.ask(hub)

    def ask(self, hub: Hub) -> None:
        """The hub itself, page by page, as the console does. What it shows has to be in later looks past it, too."""
        if not self._head:
            token = self._project.run("machine-user", "token", "reader").out.strip()
            self._head = {"authorization": f"Bearer {token}"}
        begun = time.monotonic()
        found: list[str] = []
        query: dict[str, Any] = {"limit": 1000}
        while True:
            answer = httpx.get(f"{hub.url}/api/v1/events", params=query, headers=self._head, timeout=60)
            page = answer.raise_for_status().json()
            found += [one["payload"]["body"]["delivery"] for one in page["items"] if one["source"] == "webhook:hook"]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        self.deliveries.append(Seen(begun, time.monotonic(), found))

    def look(self) -> None:
        """Past the hub: what it has committed by now."""
        begun = time.monotonic()
        bodies = self._project.store("SELECT body FROM events WHERE source = 'webhook:hook'")
        ended = time.monotonic()
        self.deliveries.append(Seen(begun, ended, [json.loads(body)["delivery"] for (body,) in bodies]))
        begun = time.monotonic()
        rows = self._project.store(_EPOCHS)
        ended = time.monotonic()
        found: dict[str, tuple[int, dict[str, int]]] = {}
        for execution, epoch, path, written in rows:
            calls = found.setdefault(execution, (epoch, {}))[1]
            if path is not None:
                calls[path] = written
        self.epochs.append(Epochs(begun, ended, found))

    def wrong(self, added: Collection[str], acknowledged: Mapping[str, float], accepted: Collection[str]) -> list[str]:
        """`added`, `acknowledged`: deliveries, and when they were; `accepted`: ids of the events that were answered with."""
        self.look()
        lines = noted(self._project)
        started = dict(self._project.store("SELECT event_id, id FROM executions WHERE workflow = 'chain'"))
        calls = [f"{started[event]}/several" for event in accepted if event in started]
        work = {call: Work(tries, losses) for call, tries, losses in self._project.store(_WORK)}
        effects = [(call.partition("/")[0], int(epoch), float(at)) for call, _, _, epoch, at in lines]
        return [
            *set_full(added, acknowledged, self.deliveries),
            *total_queue(calls, [(call, int(number)) for call, number, *_ in lines], work),
            *epochs(effects, self.epochs),
        ]
