"""Every page of the console."""

from __future__ import annotations

from hub.console import live
from hub.console.page import Page
from hub.console.pages import (
    doors,
    events,
    executions,
    executors,
    home,
    machine_users,
    people,
    records,
    refused,
    schedules,
    trying,
    wait_points,
)

ALL: tuple[Page, ...] = (
    *home.PAGES,
    *events.PAGES,
    *executions.PAGES,
    *live.PAGES,
    *executors.PAGES,
    *trying.PAGES,
    *schedules.PAGES,
    *wait_points.PAGES,
    *refused.PAGES,
    *machine_users.PAGES,
    *records.PAGES,
    *people.PAGES,
    *doors.PAGES,
)
