"""The dispatcher: from stored events to recorded deliveries and start requests, each event exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from hub.dispatch.deciding import Decider, Rules
from hub.dispatch.preview import Preview
from hub.engine.waking import Waker
from hub.expressions import Evaluator
from hub.model.audit import AuditEntry
from hub.model.clock import Clock, new_id
from hub.model.errors import HubError
from hub.model.event import Delivery, Event, delivery_id
from hub.store import Store
from hub.store.undispatched import WHOLE

log = logging.getLogger(__name__)

#: Events that are decided and recorded together: few enough that whoever comes in between does not wait long.
BATCH = 40
_POLL_SECONDS = 1.0
#: How often a dispatcher that rests from a flood looks for what others have sent.
_LOOK_SECONDS = 0.005


class Dispatcher:
    """Holds new events against the executors."""

    def __init__(self, store: Store, evaluator: Evaluator, clock: Clock, rules: Rules) -> None:
        self._store = store
        self._decider = Decider(evaluator, clock)
        self._clock = clock
        self.rules = rules
        self.waker = Waker()
        #: What this node takes first, where several dispatch.
        self.part = WHOLE
        #: The source that had its turn last.
        self._behind = ""
        #: Sources that filled the last batch: the others come before them.
        self._crowd: frozenset[str] = frozenset()
        #: Seconds to rest from a flood after a batch that took so many seconds: when something else comes first.
        self.rest: Callable[[float], float] = lambda _worked: 0.0

    async def run_once(self) -> int:
        """Dispatch events that nobody has dispatched, the oldest of each source; how many those were."""
        ahead = await self._dispatch_others()
        events, paused, self._behind = await self._store.undispatched(BATCH, self._behind, self.part)
        given = Counter(event.source for event in events)
        full = len(events) == BATCH
        self._crowd = frozenset(source for source in given if full and given[source] >= BATCH // len(given))
        await self._dispatch(events, paused)
        return ahead + len(events)

    async def _dispatch_others(self) -> int:
        """Dispatch events of the sources that do not flood; how many those were."""
        if not self._crowd:
            return 0
        events, paused, _ = await self._store.undispatched(BATCH, "", self.part, self._crowd)
        await self._dispatch(events, paused)
        return len(events)

    async def _dispatch(self, events: Sequence[Event], paused: Collection[str]) -> None:
        if not events:
            return
        rules = self.rules
        dispatched = await self._decider.decide(
            rules,
            [(event, rules.bindings.concerned(event)) for event in events],
            paused,
            lambda event, name: delivery_id(event.id, name),
        )
        await asyncio.gather(*[self._store.dispatch(one) for one in dispatched])

    async def serve(self, stop: asyncio.Event) -> None:
        """Dispatch whenever somebody rings or a second has passed."""
        self.waker.bind()
        while not stop.is_set():
            try:
                done = await self._run_and_rest()
            except HubError as error:
                log.warning("dispatch failed, trying again: %s", error)
                done = 0
            except Exception:
                log.exception("dispatch failed by a fault of the hub, trying again")
                done = 0
            if done < BATCH:
                await self.waker.wait(_POLL_SECONDS)

    async def _run_and_rest(self) -> int:
        """Dispatch, then rest as long as `rest` says; meanwhile events of other sources than the flooding ones are dispatched."""
        begun = self._clock.monotonic()
        done = await self.run_once()
        rested = self._clock.monotonic() + (self.rest(self._clock.monotonic() - begun) if done else 0)
        while (left := rested - self._clock.monotonic()) > 0:
            await self._clock.sleep(min(left, _LOOK_SECONDS) if self._crowd else left)
            await self._dispatch_others()
        return done

    async def replay(
        self,
        event: Event,
        executors: Sequence[str] | None = None,
        entry: AuditEntry | None = None,
        key: str | None = None,
    ) -> list[Delivery]:
        """Hold an event against its executors again, as the files are now; each delivery is a new one.

        Without names: every executor that it concerns. What was started under the same `key` before is not started again.
        """
        rules = self.rules
        names = list(executors) if executors is not None else rules.bindings.concerned(event)
        paused = await self._store.paused_executors()
        # Whoever replays means it: each time starts another execution, unless a key says that it is the same time.
        again = new_id(self._clock.now()) if key is None else f"by {key}"
        (dispatched,) = await self._decider.decide(
            rules, [(event, names)], paused, lambda one, name: f"{delivery_id(one.id, name)}/replay/{again}"
        )
        return await self._store.replay(dispatched, entry)

    async def preview(self, event: Event, name: str) -> Preview:
        """What would become of an event at one executor that there is, a pause aside. Nothing is stored, and nothing begins."""
        return await self._decider.preview(self.rules, event, name)
