"""Every page of the console."""

from __future__ import annotations

from hub.console import live
from hub.console.page import Page
from hub.console.pages import events, executions, executors, home, records, schedules, wait_points

ALL: tuple[Page, ...] = (
    *home.PAGES,
    *events.PAGES,
    *executions.PAGES,
    *live.PAGES,
    *executors.PAGES,
    *schedules.PAGES,
    *wait_points.PAGES,
    *records.PAGES,
)
