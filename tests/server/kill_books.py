"""What clients were answered, what was committed and what jobs left in a file, held against the store at the end."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chains import STAGES
from hub_process import Project
from looking import Looking
from server_projects import noted


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


class Books:
    """Kept outside the hub: its own word is not asked."""

    def __init__(self, project: Project, report: Report, looking: Looking) -> None:
        self._project = project
        self._looking = looking
        self.report = report
        self.sent: list[Sent] = []
        #: Of each row that was committed its number and how many jobs it starts.
        self.committed: dict[int, int] = {}

    def check(self) -> None:
        report, store = self.report, self._project.store
        report.rows = len(self.committed)
        events: dict[str, list[str]] = {}
        for identifier, body in store("SELECT id, body FROM events WHERE source = 'webhook:hook'"):
            events.setdefault(json.loads(body)["delivery"], []).append(identifier)
        executions: dict[str, list[tuple[str, str, Any]]] = {}
        for event, execution, status, result in store("SELECT event_id, id, status, result FROM executions"):
            executions.setdefault(event, []).append((execution, status, result))
        for sent in self.sent:
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
            [sent.id for sent in self.sent],
            {sent.id: sent.answered_at for sent in self.sent if sent.answers},
            {event for sent in self.sent for event in sent.answers},
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
        for row in self.committed.keys() | seen.keys():
            if seen[row] != (row in self.committed):
                self.report.lost += row in self.committed and not seen[row]
                self.report.duplicates += seen[row] > 1 or row not in self.committed
                self.report.wrong.append(
                    f"row {row}: {'committed' if row in self.committed else 'rolled back'} and {seen[row]} events"
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
