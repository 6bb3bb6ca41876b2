"""An execution as a waterfall: a row a call, its time split into queued, running and waiting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hub.console.showing.moments import lasting
from hub.model.execution import ENDED, Checkpoint, ExecutionRecord, JobStatus, Status
from hub.model.wait import WaitRecord

#: The drawing is so many units wide.
WIDTH = 1000
#: More calls of one name than this, made by one caller, are folded into a row when there are many rows.
FOLD_FROM = 6
MOST_ROWS = 60
_TICKS = 5
_THINNEST = 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time."""

    x: float
    width: float
    #: queued, running, waiting, success, failed.
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    #: Of a call; of folded calls their caller's path.
    path: str
    depth: int
    state: str
    bars: tuple[Bar, ...]
    #: `41 ms`, `waited 0.9 s`.
    said: str
    #: How many calls it stands for, and how many of them failed.
    count: int = 1
    failed: int = 0
    #: Whether it was skipped when the execution went on later: its result was there.
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Waterfall:
    rows: tuple[Row, ...]
    #: (x, `0.5 s`) from left to right.
    ticks: tuple[tuple[float, str], ...]
    #: Milliseconds from left to right.
    span: int
    folded: bool = False


@dataclass(slots=True)
class _Scale:
    begin: int
    span: int

    def bar(self, start: int, end: int, tone: str) -> Bar:
        x = max(0.0, min((start - self.begin) / self.span * WIDTH, WIDTH - _THINNEST))
        width = max(_THINNEST, (end - start) / self.span * WIDTH)
        return Bar(round(x, 1), round(min(width, WIDTH - x), 1), tone, f"{tone} {lasting(end - start)}")


@dataclass(slots=True)
class _Drawing:
    """What rows are made of: the calls, where they wait, and the scale."""

    record: ExecutionRecord
    now: int
    scale: _Scale
    waits: dict[str, WaitRecord] = field(default_factory=dict)
    #: The latest claim under which anything was written.
    epoch: int = 0
    #: Path -> intervals in which it, or something below it, waited.
    waited: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def end_of(self, call: Checkpoint) -> int:
        return call.finished_at or (self.record.finished_at or self.now)


def waterfall(
    record: ExecutionRecord, waits: Sequence[WaitRecord], now: int, *, unfold: Iterable[str] = ()
) -> Waterfall:
    """`unfold` names groups, `CALLER/NAME`, whose calls are shown one by one."""
    end = record.finished_at if record.status in ENDED and record.finished_at is not None else now
    end = max([end, *[call.finished_at or 0 for call in record.jobs]])
    drawing = _Drawing(record, now, _Scale(record.created_at, max(end - record.created_at, 1)))
    drawing.epoch = max([call.epoch for call in record.jobs], default=0)
    for wait in waits:
        drawing.waits[wait.path] = wait
        until = wait.resolved_at or (record.finished_at or now)
        for path in _above(wait.path):
            drawing.waited[path].append((wait.created_at, until))
    calls = sorted(record.jobs, key=lambda call: (call.started_at, call.path))
    rows = _in_order(drawing, calls, set(unfold) if len(calls) > MOST_ROWS else None)
    span = drawing.scale.span
    ticks = tuple((round(WIDTH * step / _TICKS, 1), lasting(round(span * step / _TICKS))) for step in range(_TICKS))
    return Waterfall((_whole(drawing, end), *rows), ticks, span, any(row.count > 1 for row in rows))


def _whole(drawing: _Drawing, end: int) -> Row:
    """The execution itself: how long it was queued, ran and waited."""
    record, scale = drawing.record, drawing.scale
    bars = []
    begun = record.started_at if record.started_at is not None else end
    if begun > record.created_at:
        bars.append(scale.bar(record.created_at, begun, "queued"))
    bars += _split(scale, begun, end, drawing.waited.get("", []), _tone(record.status.value)) if begun < end else []
    return Row("execution", "", 0, record.status.value, tuple(bars), lasting(end - record.created_at))


def _in_order(drawing: _Drawing, calls: Sequence[Checkpoint], unfold: set[str] | None) -> list[Row]:
    """Each caller before what it called. With `unfold`, many calls of one name become one row."""
    known = {call.path for call in calls}
    below: dict[str, list[Checkpoint]] = defaultdict(list)
    for call in calls:
        parent = call.path.rpartition("/")[0]
        while parent and parent not in known:
            parent = parent.rpartition("/")[0]
        below[parent].append(call)
    rows: list[Row] = []

    def walk(parent: str, depth: int) -> None:
        groups: dict[str, list[Checkpoint]] = defaultdict(list)
        for call in below[parent]:
            groups[call.name].append(call)
        for call in below[parent]:
            group = groups[call.name]
            fold = unfold is not None and len(group) >= FOLD_FROM and f"{parent}/{call.name}" not in unfold
            if fold and call is group[0]:
                rows.append(_folded(drawing, parent, group, depth))
            if not fold:
                rows.append(_row(drawing, call, depth))
                walk(call.path, depth + 1)

    walk("", 1)
    return rows


def _row(drawing: _Drawing, call: Checkpoint, depth: int) -> Row:
    end = drawing.end_of(call)
    wait = drawing.waits.get(call.path)
    if wait is not None:
        bars = [drawing.scale.bar(wait.created_at, wait.resolved_at or end, "waiting")]
        said = f"waited {lasting((wait.resolved_at or end) - wait.created_at)}"
    else:
        bars = _split(drawing.scale, call.started_at, end, drawing.waited.get(call.path, []), _tone(call.status.value))
        said = lasting(end - call.started_at)
    if call.attempts > 1:
        said += f", {call.attempts} tries"
    kept = call.status is JobStatus.SUCCESS and call.epoch < drawing.epoch
    return Row(call.path.rpartition("/")[2], call.path, depth, call.status.value, tuple(bars), said, kept=kept)


def _folded(drawing: _Drawing, parent: str, group: Sequence[Checkpoint], depth: int) -> Row:
    """Many calls of one name: a bar from the first to the last, and how they came out."""
    start, end = min(call.started_at for call in group), max(drawing.end_of(call) for call in group)
    failed = sum(call.status is JobStatus.FAILED for call in group)
    open_ones = [call for call in group if call.finished_at is None]
    state = "FAILED" if failed else open_ones[0].status.value if open_ones else "SUCCESS"
    slowest = max(drawing.end_of(call) - call.started_at for call in group)
    bar = drawing.scale.bar(start, end, _tone(state))
    said = f"slowest {lasting(slowest)}"
    return Row(group[0].name, parent, depth, state, (bar,), said, count=len(group), failed=failed)


def _split(scale: _Scale, start: int, end: int, waited: list[tuple[int, int]], tone: str) -> list[Bar]:
    """From start to end, with the stretches cut out in which it waited."""
    bars, at = [], start
    for begin, until in sorted(waited):
        first, last = max(begin, at), min(until, end)
        if last <= first:
            continue
        if first > at:
            bars.append(scale.bar(at, first, tone))
        bars.append(scale.bar(first, last, "waiting"))
        at = last
    if at < end or not bars:
        bars.append(scale.bar(at, max(at, end), tone))
    return bars


def _above(path: str) -> list[str]:
    """All that waits when this waits: its callers, and the execution as the empty path."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts))]


def _tone(state: str) -> str:
    if state == Status.FAILED:
        return "failed"
    return "success" if state == Status.SUCCESS else "queued" if state == Status.PENDING else "running"
