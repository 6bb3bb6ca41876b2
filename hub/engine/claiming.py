"""What a worker asks the store for. One claim of a process is under way at a time, so that no room is given twice."""

from __future__ import annotations

import threading
from itertools import count
from typing import Any

from hub.engine.registry import Registry
from hub.engine.workflow import Workflow
from hub.model.clock import Clock
from hub.model.pacing import Rate
from hub.store.claims import Claimable, ClaimRequest

#: How long after a failure of the store this node looks for executions that it holds there without knowing.
_UNSURE_SECONDS = 30.0


class Claiming:
    """Makes a node's claims. From any thread."""

    def __init__(self, node: str, clock: Clock) -> None:
        self._node = node
        self._clock = clock
        self._turns = count()
        self._under_way = threading.Lock()
        #: Until when, in monotonic seconds, the store may hold something for this node that it does not know of.
        self._unsure_until = 0.0

    @property
    def unsure(self) -> bool:
        """The store may hold executions for this node that do not run here: they are let go before the next claim."""
        return self._clock.monotonic() < self._unsure_until

    def be_unsure(self) -> None:
        """The store did not answer: what was asked of it may have been done, or may yet be."""
        self._unsure_until = self._clock.monotonic() + _UNSURE_SECONDS

    def begin(self) -> bool:
        """Whether a claim may be made now; then `end` has to follow."""
        return self._under_way.acquire(blocking=False)

    def end(self) -> None:
        """The claim has come back, or has failed."""
        self._under_way.release()

    def close(self, seconds: float) -> bool:
        """No claim begins any more; wait so long for the one that is under way. Whether none is any more."""
        return self._under_way.acquire(timeout=seconds)

    def request(self, registry: Registry, room: int) -> ClaimRequest:
        """Each workflow is the first to be served in its turn, so that one with a long queue cannot starve the others."""
        known = sorted(registry.workflows.items())
        first = next(self._turns) % len(known) if known else 0
        workflows = tuple(
            _claimable(name, registry.revision(name), workflow) for name, workflow in [*known[first:], *known[:first]]
        )
        return ClaimRequest(self._node, workflows, room, self._clock.now())

    def along(self, registry: Registry, room: int) -> ClaimRequest | None:
        """The same, for a claim in the transaction of somebody else, who is not to wait for those who count what runs.

        None: there is nothing to claim, or no room.
        """
        asked = self.request(registry, room)
        plain = tuple(one for one in asked.workflows if one.limit is None and one.rate is None)
        return ClaimRequest(asked.node, plain, room, asked.now) if plain and room > 0 else None


def _claimable(name: str, revision: str, workflow: Workflow[Any, Any]) -> Claimable:
    policy, rate = workflow.concurrency_policy, workflow.rate_limit
    per = None if rate is None else Rate(rate.limit, rate.period)
    if policy is None:
        return Claimable(name, revision, rate=per)
    return Claimable(name, revision, policy.max_concurrent_executions, by_key=policy.key is not None, rate=per)
