"""Executions that the files as they are now cannot go on with."""

from __future__ import annotations

import asyncio
import logging

from hub.assembly.files import Files
from hub.assembly.parts import Parts, open_parts, operator
from hub.declare.config import sqlite_path
from hub.engine.compatibility import Judged, Verdict
from hub.model.counted import counted
from hub.model.errors import HubError
from hub.model.executor import Position, Problem

log = logging.getLogger(__name__)


async def changed_executions(files: Files) -> list[Judged]:
    """Parked executions whose workflow has changed, judged. A store that is not there, or busy, is not looked at."""
    if files.config is None:
        return []
    path = sqlite_path(files.config.store, files.root)
    if path is not None and not path.exists():
        return []
    try:
        parts = await open_parts(files)
    except HubError:
        return []
    try:
        return await parts.client.changed()
    except HubError:
        return []
    finally:
        await parts.close()


def as_problems(files: Files, judged: list[Judged]) -> list[Problem]:
    """A problem for each that needs a person, where its workflow is declared."""
    return [
        Problem(
            _declared(files, one.workflow),
            f"execution {one.execution_id} ({one.status}) began before {one.workflow} was changed, and needs a person: {one.reason}",
        )
        for one in judged
        if one.verdict is Verdict.NEEDS_A_PERSON
    ]


async def tell_changed(parts: Parts, stop: asyncio.Event) -> None:
    """Once after the start: those that need a person say so, in their reason and in the log."""
    try:
        found = await parts.client.acting_as(operator()).tell_changed()
    except HubError as error:
        log.warning("executions were not held against the present code: %s", error)
        found = []
    doubtful = [one for one in found if one.verdict is Verdict.NEEDS_A_PERSON]
    if doubtful:
        log.warning(
            "%s a person, since code was changed: see `hub workflow changed`",
            counted(len(doubtful), "execution needs", "executions need"),
        )
    await stop.wait()


def _declared(files: Files, workflow: str) -> Position:
    found = files.registry.workflows.get(workflow)
    if found is None:
        return Position("workflows")
    file, _, line = found.declared.rpartition(":")
    root = f"{files.root}/"
    return Position(file.removeprefix(root), int(line))
