"""The books of `kill_books`, and those of order, slots and slips, when several nodes share a store."""

from __future__ import annotations

from collections import Counter
from typing import Any

from history import Turn, one_at_a_time
from kill_books import Books

SCHEDULES = 5
MINUTE = 60_000
#: Writers beside those that were killed: the nodes at their start and at the end, and commands.
_BEGUN = 26


class NodeBooks(Books):
    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        #: What there was beside the deliveries and rows: executions with a key, slots of schedules, and executions that were left
        #: alone after three deaths, and resumed.
        self.beside = {"turns": 0, "slots": 0, "left alone": 0}

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
        if writers > self.report.rounds + _BEGUN:
            self.report.wrong.append(f"{writers} writers have left slips behind")
