"""The waterfall of an execution: where its time went, also with a thousand jobs."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.console.showing.waterfall import MOST_ROWS, WIDTH, Waterfall, waterfall
from hub.model.execution import Checkpoint, ExecutionRecord, JobStatus, Status
from hub.model.wait import WaitKind, WaitRecord, WaitState


def call(path: str, start: int, end: int | None, status: JobStatus = JobStatus.SUCCESS, **more: Any) -> Checkpoint:
    name = path.rpartition("/")[2].partition("#")[0]
    return Checkpoint(path, name, status, "{}", "", started_at=start, finished_at=end, **more)


def record(*jobs: Checkpoint, end: int | None = 1_000, status: Status = Status.SUCCESS) -> ExecutionRecord:
    return ExecutionRecord(
        "E", "flow", status, None, {}, None, None, None, None, 1, 0, 100, end, None, jobs=tuple(jobs)
    )


def wait(path: str, start: int, end: int | None) -> WaitRecord:
    return WaitRecord(
        "E", "flow", path, "ok", WaitKind.POINT, "ok", None, WaitState.WAITING, start, None, end, None, None
    )


def tones(fall: Waterfall) -> list[tuple[str, list[str]]]:
    return [(row.name, [bar.tone for bar in row.bars]) for row in fall.rows]


def test_queued_running_and_waiting_are_told_apart() -> None:
    fall = waterfall(
        record(call("main", 100, 1_000), call("main/fetch", 100, 200), call("main/wait:ok", 200, 900)),
        [wait("main/wait:ok", 200, 900)],
        5_000,
    )
    assert tones(fall) == [
        ("execution", ["queued", "success", "waiting", "success"]),
        ("main", ["success", "waiting", "success"]),
        ("fetch", ["success"]),
        ("wait:ok", ["waiting"]),
    ]
    assert [row.depth for row in fall.rows] == [0, 1, 2, 2]
    assert fall.rows[-1].said == "waited 700 ms"
    assert fall.rows[2].bars[0].width == 100


def test_what_was_skipped_when_it_went_on_is_said() -> None:
    jobs = [call("main", 100, 1_000, epoch=2), call("main/a", 100, 200, epoch=1), call("main/b", 800, 900, epoch=2)]
    assert {row.name for row in waterfall(record(*jobs), [], 5_000).rows if row.kept} == {"a"}
    assert not any(row.kept for row in waterfall(record(*jobs[1:2]), [], 5_000).rows), "it never went on"


def test_what_has_not_ended_grows_until_now() -> None:
    fall = waterfall(record(call("main", 100, None, JobStatus.RUNNING), end=None, status=Status.RUNNING), [], 2_000)
    assert tones(fall) == [("execution", ["queued", "running"]), ("main", ["running"])]
    assert fall.span == 2_000


def test_what_waits_for_a_worker_is_queued() -> None:
    waiting = record(end=None, status=Status.PENDING)
    fall = waterfall(ExecutionRecord(**{**_fields(waiting), "started_at": None}), [], 2_000)
    assert tones(fall) == [("execution", ["queued"])]


def test_a_thousand_jobs_are_folded_by_name_and_can_be_unfolded() -> None:
    pages = [call(f"main/page#{number}", 100 + number, 110 + number) for number in range(1, 1_000)]
    failed = call("main/page#1000", 1_100, 1_110, JobStatus.FAILED)
    whole = record(call("main", 100, 2_000), call("main/last", 1_900, 2_000), *pages, failed, end=2_000)
    fall = waterfall(whole, [], 5_000)
    assert [(row.name, row.count, row.failed) for row in fall.rows] == [
        ("execution", 1, 0),
        ("main", 1, 0),
        ("page", 1_000, 1),
        ("last", 1, 0),
    ]
    assert fall.folded
    assert fall.rows[2].state == "FAILED"
    assert len(waterfall(whole, [], 5_000, unfold=["main/page"]).rows) == 1_003


def test_few_jobs_are_never_folded() -> None:
    jobs = [call(f"main/page#{number}", number, number + 1) for number in range(MOST_ROWS - 1)]
    assert len(waterfall(record(call("main", 0, 900), *jobs), [], 1_000).rows) == MOST_ROWS + 1


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)), max_size=8),
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)), max_size=4),
    st.one_of(st.none(), st.integers(0, 3_000)),
)
def test_bars_stay_in_the_drawing_and_do_not_overlap(
    jobs: list[tuple[int, int]], waits: list[tuple[int, int]], end: int | None
) -> None:
    calls = [call(f"main/j#{place}", start, start + took) for place, (start, took) in enumerate(jobs)]
    held = [wait(f"main/w#{place}", start, start + took) for place, (start, took) in enumerate(waits)]
    status = Status.RUNNING if end is None else Status.SUCCESS
    fall = waterfall(record(call("main", 50, end), *calls, end=end, status=status), held, 3_500)
    for row in fall.rows:
        assert row.bars
        for bar in row.bars:
            assert 0 <= bar.x <= WIDTH
            assert 0 < bar.width <= WIDTH
            assert bar.x + bar.width <= WIDTH + 0.2


def _fields(one: ExecutionRecord) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ExecutionRecord.__slots__}
