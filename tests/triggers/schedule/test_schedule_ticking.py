"""The job that calls the scheduler, on the real clock: when it calls, and what it does about failures."""

from __future__ import annotations

import asyncio
import logging

from kit import PATIENCE
from schedule_stand_ins import HOUR, Pages

from hub.model.clock import SystemClock
from hub.model.errors import StoreUnavailable
from hub.triggers.schedule.loop import Scheduler
from hub.triggers.schedule.ticking import Ticking


class Counted(Scheduler):
    """A scheduler that tells when it was called and what it did."""

    def __init__(self, pages: Pages, due: int | None = None) -> None:
        super().__init__(pages, SystemClock(), list, lambda: None)
        self.calls: list[int] = []
        self.fails = 0
        self.fault: Exception = RuntimeError("the store is away")
        self.next_due = due

    async def run_once(self) -> int:
        self.calls.append(SystemClock().now())
        if self.fails:
            self.fails -= 1
            raise self.fault
        return 0


def ticking(scheduler: Counted, *, until: int, clock=None, interval=0.2, meanwhile=None) -> None:
    """Run the real job on the real clock until it was called `until` times."""

    async def run():
        job = Ticking(scheduler, clock or SystemClock(), interval=interval)
        job.start()
        deadline = SystemClock().monotonic() + PATIENCE
        while len(scheduler.calls) < until and SystemClock().monotonic() < deadline:
            await asyncio.sleep(0.002)
            if meanwhile is not None:
                meanwhile()
        await job.stop()
        calls = len(scheduler.calls)
        await asyncio.sleep(0.05)
        assert len(scheduler.calls) == calls, "it ran on after the stop"

    asyncio.run(run())
    assert len(scheduler.calls) >= until


def test_the_job_checks_at_once_and_then_at_each_interval():
    scheduler = Counted(Pages())
    begun = SystemClock().now()
    ticking(scheduler, until=3)
    assert scheduler.calls[1] - begun >= 200 - 2
    assert scheduler.calls[2] - begun >= 400 - 2


def test_the_job_is_pulled_forward_to_the_next_due_instant():
    due = SystemClock().now() + 150
    scheduler = Counted(Pages(), due)
    ticking(scheduler, until=2, interval=600)
    assert scheduler.calls[1] - due >= -2


def test_work_that_is_left_over_is_taken_up_without_a_pause():
    scheduler = Counted(Pages(), 1)
    ticking(scheduler, until=5, interval=600)


def test_a_failing_check_is_followed_by_the_next_one(caplog):
    scheduler = Counted(Pages())
    scheduler.fails = 2
    ticking(scheduler, until=3, interval=0.05)
    assert "the store is away" in caplog.text


def test_a_store_that_is_away_is_told_of_once_and_without_a_traceback(caplog):
    caplog.set_level(logging.INFO)
    scheduler = Counted(Pages())
    scheduler.fails, scheduler.fault = 3, StoreUnavailable("the store is away")
    ticking(scheduler, until=5, interval=0.05)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.text.count("the store is away") == 1
    assert "Traceback" not in caplog.text


def test_a_clock_that_is_set_back_does_not_stop_the_checks():
    # As if the clock had been set back by an hour since the job asked for its next run.
    class Ahead(SystemClock):
        ahead = HOUR

        def now(self):
            return super().now() + self.ahead

    clock = Ahead()
    scheduler = Counted(Pages())

    def set_back():
        clock.ahead = 0

    ticking(scheduler, until=2, clock=clock, interval=0.05, meanwhile=set_back)
