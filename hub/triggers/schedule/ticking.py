"""What calls the check: one APScheduler interval job, pulled forward to the next due instant.

The job alone fires up to one interval late, hence the pulling forward. And it waits for a time of day, so a clock that is
set back by an hour would stop it for an hour, hence the watchdog, which runs on the event loop's monotonic time.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from hub.model.clock import Clock
from hub.model.errors import HubError
from hub.triggers.schedule.loop import Scheduler

_log = logging.getLogger(__name__)

#: Seconds between two checks when nothing is near. Less than the horizon of a check.
INTERVAL = 1.0

#: Milliseconds between two checks while work is left over.
_LEFT_OVER_MS = 10
_JOB = "check-schedules"


class Ticking:
    """Runs a scheduler's check in the running event loop from `start()` to `stop()`."""

    def __init__(
        self, scheduler: Scheduler, clock: Clock, *, interval: float = INTERVAL, machine: Clock | None = None
    ) -> None:
        """`machine`: the clock of this machine, by which APScheduler waits; None: `clock` is that."""
        self._scheduler = scheduler
        self._clock = clock
        self._machine = machine or clock
        self._interval = interval
        self._jobs: Any = None
        self._job: Any = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._checking = asyncio.Lock()
        #: The store could not be asked the last time.
        self._away = False

    def start(self) -> None:
        """Begin with a check at once. Raises RuntimeError without a running event loop."""
        # It tells of every single check, and of each that it leaves out while one takes long.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._jobs = AsyncIOScheduler(timezone=UTC, event_loop=asyncio.get_running_loop())
        self._job = self._jobs.add_job(
            self._check,
            "interval",
            seconds=self._interval,
            id=_JOB,
            next_run_time=self._machine_time(self._clock.now()),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )
        self._jobs.start()
        self._restart_watchdog()

    async def stop(self) -> None:
        """End after the check that is under way, if any."""
        if self._jobs is None:
            return
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._job.remove()
        async with self._checking:
            self._jobs.shutdown(wait=False)
            self._jobs = self._job = self._watchdog = None

    async def _check(self) -> None:
        async with self._checking:
            try:
                await self._scheduler.run_once()
            except HubError as error:
                if not self._away:
                    _log.warning("schedules cannot be checked, and what comes due is made up for: %s", error)
                self._away = True
            else:
                if self._away:
                    _log.info("schedules are checked again.")
                self._away = False
            finally:
                # Not at once: APScheduler would skip the next run while it still counts this one as running.
                asyncio.get_running_loop().call_soon(self._ask_for_next)

    def _ask_for_next(self) -> None:
        """Ask for the next check: after one interval, or when a schedule is due before that."""
        if self._jobs is None or self._jobs.get_job(_JOB) is None:
            return
        now = self._clock.now()
        latest = now + round(self._interval * 1000)
        due = self._scheduler.next_due
        self._job.modify(
            next_run_time=self._machine_time(latest if due is None else max(now + _LEFT_OVER_MS, min(due, latest)))
        )
        self._restart_watchdog()

    def _restart_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = asyncio.get_running_loop().call_later(3 * self._interval, self._on_silence)

    def _on_silence(self) -> None:
        """No check has ended for a while. One that is under way is left alone; otherwise set the time of the next anew."""
        if self._checking.locked():
            self._restart_watchdog()
        else:
            self._ask_for_next()

    def _machine_time(self, instant: int) -> datetime:
        """When that is, as this machine's clock has it."""
        ahead = self._machine.now() - self._clock.now()
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant + ahead)
