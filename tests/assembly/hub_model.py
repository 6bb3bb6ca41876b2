"""What a hub should do, in a page: files, events, slots and executions as plain values, without storage, crashes or expressions."""

from __future__ import annotations

from dataclasses import dataclass, field

HOOKS, ROWS, CLOCKS = ("hook-a", "hook-b"), ("row-a", "row-b"), ("clock-a", "clock-b")
EXECUTORS = (*HOOKS, *ROWS, *CLOCKS)
MINUTE = 60_000
#: How long an execution rests that does.
NAP = 90_000
#: How long events and executions are kept.
KEPT = 600_000


@dataclass
class Deployed:
    """An executor as its file says: it acts on numbers from `least` on; a schedule comes every one or two minutes."""

    least: int
    disabled: bool = False

    @property
    def period(self) -> int:
        return MINUTE * (1 + self.least % 2)


@dataclass
class Known:
    """An execution. Instants are milliseconds."""

    status: str
    wakes: int | None = None
    ended: int | None = None
    #: Its retention is over.
    gone: bool = False


@dataclass
class Noticed:
    """An event that must be there, with its outcome at each executor, and the executions that were started."""

    key: str
    number: int
    at: int
    outcomes: dict[str, str] = field(default_factory=dict)
    executions: dict[str, Known] = field(default_factory=dict)
    #: How often it was sent again, at least: a sender that was cut off does so, too.
    repeated: int = 0
    #: The hub's own name for it, once it was seen there.
    id: str = ""
    gone: bool = False


class Model:
    """Executions of a number that has the remainder 0 by three end at once, those with 1 rest, and those with 2 fail until mended."""

    def __init__(self) -> None:
        self.files: dict[str, Deployed] = {}
        self.paused: set[str] = set()
        self.noticed: list[Noticed] = []
        self.rows_made = 0
        #: When each schedule that is in effect comes next.
        self.next: dict[str, int] = {}
        #: What became of each slot, (executor, instant); None: it fired.
        self.slots: dict[tuple[str, int], str | None] = {}

    def put(self, name: str, wanted: Deployed | None, now: int) -> None:
        """A file was written, or taken away. A schedule begins anew when its instants have changed."""
        before = self.files.pop(name, None)
        if wanted is not None:
            self.files[name] = wanted
        if name not in CLOCKS:
            return
        was = None if before is None or before.disabled else before.period
        if wanted is None or wanted.disabled:
            self.next.pop(name, None)
        elif wanted.period != was:
            self.next[name] = _after(now, wanted.period)

    def post(self, name: str, key: str, number: int, now: int) -> int:
        """The status that the sender is answered with."""
        if name not in self.files or self.files[name].disabled:
            return 404
        known = next((one for one in self.noticed if one.key == f"{name}/{key}" and not one.gone), None)
        if known is None:
            self._notice(f"{name}/{key}", number, [name], now)
        elif known.number != number:
            return 409
        else:
            known.repeated += 1
        return 202

    def commit_row(self, number: int, now: int) -> int:
        """The row's id. Nobody hears of it unless an executor wants such rows."""
        self.rows_made += 1
        if any(name in ROWS and not one.disabled for name, one in self.files.items()):
            self._notice(f"row/{self.rows_made}", number, [name for name in ROWS if name in self.files], now)
        return self.rows_made

    def tick(self, now: int) -> None:
        for known in (known for one in self.noticed for known in one.executions.values()):
            if known.status == "WAITING" and known.wakes is not None and known.wakes <= now:
                known.status, known.ended = "SUCCESS", now
        for name, due in list(self.next.items()):
            instants = list(range(due, now + 1, self.files[name].period))
            for at in instants:
                fires = at == instants[-1] and name not in self.paused
                self.slots[name, at] = None if fires else "paused" if name in self.paused else "missed"
                if fires:
                    self._notice(f"{name}/{at}", 0, [name], now)
            if instants:
                self.next[name] = _after(now, self.files[name].period)

    def prune(self, now: int) -> None:
        before = now - KEPT
        for one in self.noticed:
            one.gone = one.at < before
            for known in one.executions.values():
                known.gone = one.at < before and known.ended is not None and known.ended < before

    def _notice(self, key: str, number: int, names: list[str], now: int) -> None:
        """What must come of it, as the files are now."""
        made = Noticed(key, number, now)
        self.noticed.append(made)
        for name in names:
            one = self.files[name]
            if one.disabled:
                made.outcomes[name] = "skipped"
            elif name in self.paused:
                made.outcomes[name] = "paused"
            elif name not in CLOCKS and number < one.least:
                made.outcomes[name] = "filtered"
            else:
                made.outcomes[name] = "started"
                status = ("SUCCESS", "WAITING", "FAILED")[number % 3]
                rests = status == "WAITING"
                made.executions[name] = Known(status, now + NAP if rests else None, None if rests else now)


def _after(now: int, period: int) -> int:
    return now - now % period + period
