"""Bodies of webhooks, held against the schemas of their executors. Whoever sends one decides how long that takes.

It is tried at once, for a moment. What takes longer goes to a process of its own, one body after the other, so that whoever
sends bodies that take for ever delays others that take long, and nobody else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.declare import schema_child
from hub.declare.body_schema import LONGEST, TOO_SLOW, BodySchema
from hub.declare.processor_time import TooLong
from hub.expressions.lane import CRASHED, Lane
from hub.expressions.lane import TOO_SLOW as KILLED
from hub.expressions.process import CannotEvaluate, Limits
from hub.triggers.webhook.endpoint import Later, Undecided

log = logging.getLogger(__name__)

#: Seconds of the processor's time that a body may take where others wait for it: some 10,000 values.
_AT_ONCE = 0.05
#: So many bodies go to the other process unseen, behind one that took longer: each would have to be tried as long as that one.
_UNSEEN = 100
#: Bodies that may wait for the other process; further ones are turned away for a while.
_MOST_WAITING = 16
#: Seconds on the wall, beyond what a body may take of the processor's, after which the other process is ended.
_GRACE = 1.0


class Judging:
    """The process for what takes long, and who waits for it. It is started when it is needed."""

    def __init__(self, longest: float = LONGEST) -> None:
        """`longest`: seconds of the processor's time for one body."""
        self.longest = longest
        self._lane = Lane(Limits(longest + _GRACE), self._command)
        #: What the process has still to do, also where nobody waits for it any more.
        self._asking: set[asyncio.Task[list[bytes]]] = set()

    async def ask(self, schema: bytes, value: Any) -> list[str]:
        """What `BodySchema.problems` says. Raises Undecided."""
        if len(self._asking) >= _MOST_WAITING:
            raise Undecided
        asking = asyncio.create_task(self._lane.ask([schema_child.frame(schema, json.dumps(value).encode())]))
        self._asking.add(asking)
        asking.add_done_callback(self._done)
        try:
            (answer,) = await asyncio.shield(asking)
        except CannotEvaluate:
            raise Undecided from None
        if answer in (KILLED, CRASHED):
            return [TOO_SLOW]
        found: list[str] = json.loads(answer[1:])
        return found

    def close(self) -> None:
        """End the process."""
        self._lane.stop()

    def _done(self, asking: asyncio.Task[list[bytes]]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled() and asking.exception() is not None:
            log.error(
                "the process that holds bodies against schemas does not start: check that %s can be run", sys.executable
            )

    def _command(self, _limits: Limits) -> list[str]:
        script = Path(schema_child.__file__).resolve()
        return [sys.executable, "-I", str(script), str(script.parents[2]), str(self.longest)]


class Judge:
    """One executor's schema, as an endpoint asks it."""

    def __init__(self, judging: Judging, executor: str, schema: Mapping[str, Any]) -> None:
        self._judging = judging
        self._executor = executor
        self._schema = BodySchema(schema)
        self._text = json.dumps(schema).encode()
        #: How many bodies are not looked at here now.
        self._unseen = 0
        self._told = False

    def __call__(self, value: Any) -> str | Later | None:
        """What is wrong with a body, None: nothing; or where that would take long, the way to find out."""
        if self._unseen:
            self._unseen -= 1
        else:
            try:
                return _sentence(self._schema.problems_within(_AT_ONCE, value))
            except TooLong:
                self._unseen = _UNSEEN
        return lambda: self._later(value)

    async def _later(self, value: Any) -> str | None:
        found = await self._judging.ask(self._text, value)
        if TOO_SLOW in found and not self._told:
            self._told = True
            log.warning(
                "webhook %s: holding a body against the schema was given up after %g s, and the body refused. Most often it is a "
                "pattern that repeats a repetition, such as (a+)+, or uniqueItems over many items: see whether a maxLength or "
                "maxItems before it helps. It is told only this once.",
                self._executor,
                self._judging.longest,
            )
        return _sentence(found)


def _sentence(problems: list[str]) -> str | None:
    return "; ".join(problems) or None
