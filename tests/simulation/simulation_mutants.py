"""Faults planted in the engine and the store, which the simulation has to find. Each takes a monkeypatch.

Tried and found to change nothing that anybody could see, so they are not here:

- a cancel that leaves the epoch as it was: every fenced write asks for status RUNNING too, and a canceled execution never runs again;
- an end without its main job's checkpoint: the execution's own result is what a replay looks at first;
- a ring of the store that nobody hears: the worker looks again within a second;
- a lease that had run out, and no sweep before its node begins again: it looks at what others have written as soon as it wakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from simulated_loop import current_host
from simulated_store import SimulatedWriter
from simulation_fates import DEATHS, FREEZES, SILENCES

from hub.engine import replay
from hub.engine.claiming import Claiming
from hub.engine.waking import Gate
from hub.model.errors import Conflict, Fenced
from hub.model.execution import Claimed, Started, StartRequest
from hub.model.wait import Resolution, WaitAnswer, WaitRequest, WaitState
from hub.store import Store, answers, wait_endings, waits
from hub.store.checkpoints import BEGIN, CHECKPOINT, CallWrite
from hub.store.claims import ClaimRequest
from hub.store.combined import Finish, NestedStart
from hub.store.committing import Operation
from hub.store.dialects.base import Tx
from hub.store.executions import RESCUE, Rescue
from hub.store.pages import executions as executions_page
from hub.store.pages import waits as waits_page
from hub.store.verbs import Verb
from hub.store.waits import Park

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]


def acknowledged_before_the_commit(patch: Patch) -> None:
    """A result is handed out, and committed with the next batch."""
    apply = SimulatedWriter.apply
    kept: dict[SimulatedWriter, list[Operation]] = {}

    def later(self: SimulatedWriter, batch: list[Operation]) -> None:
        waiting = kept.pop(self, [])
        if not waiting and any(one.verb is CHECKPOINT for one in batch):
            kept[self] = [one for one in batch if one.verb is CHECKPOINT]
            batch = [one for one in batch if one.verb is not CHECKPOINT]
        if waiting or batch:
            apply(self, [*waiting, *batch])

    patch.setattr(SimulatedWriter, "apply", later)


def lease_without_epoch(patch: Patch) -> None:
    """Whoever writes is taken for the present holder."""
    apply = SimulatedWriter.apply

    def unfenced(self: SimulatedWriter, batch: list[Operation]) -> None:
        for one in batch:
            one.item = _as_holder(self, one.item)
        apply(self, batch)

    patch.setattr(SimulatedWriter, "apply", unfenced)


def _as_holder(writer: SimulatedWriter, item: Any) -> Any:
    if isinstance(item, Finish):
        return Finish(item.main and _as_holder(writer, item.main), _as_holder(writer, item.settled))
    if isinstance(item, NestedStart):
        return NestedStart(item.request, _as_holder(writer, item.call))
    if not hasattr(item, "epoch") or not hasattr(item, "execution_id"):
        return item
    found = writer._database.rows("SELECT epoch FROM executions WHERE id = ?", item.execution_id)
    return replace(item, epoch=found[0][0]) if found else item


def tries_counted_after_they_began(patch: Patch) -> None:
    async def begin(self: Store, write: CallWrite) -> None:
        asyncio.get_running_loop().call_later(0.005, lambda: self._writer.submit(BEGIN, write))

    patch.setattr(Store, "begin", begin)


def checkpoints_not_awaited(patch: Patch) -> None:
    async def checkpoint(self: Store, write: CallWrite) -> None:
        self._writer.ride(CHECKPOINT, (write.execution_id, write.checkpoint.path), write)

    patch.setattr(Store, "checkpoint", checkpoint)


def waits_end_twice(patch: Patch) -> None:
    """An answer counts whenever it comes."""

    def resolve_one(tx: Tx, item: Resolution) -> WaitState | Exception:
        found = tx.rows("SELECT path FROM waits WHERE execution_id = ? AND key = ?", (item.execution_id, item.key))
        if not found:
            return Conflict("nobody asks")
        tx.run(
            "UPDATE waits SET state = 'RESOLVED', resolved_by = ? WHERE execution_id = ? AND key = ?",
            (item.by, item.execution_id, item.key),
        )
        tx.run(
            "UPDATE checkpoints SET status = 'SUCCESS', result = ? WHERE execution_id = ? AND path = ?",
            (item.result, item.execution_id, found[0][0]),
        )
        tx.run("UPDATE executions SET due_at = ? WHERE id = ? AND status = 'WAITING'", (item.now, item.execution_id))
        return WaitState.RESOLVED

    patch.setattr(answers, "_resolve_one", resolve_one)


def wake_up_lost(patch: Patch) -> None:
    """A wait ends, and its parked execution is not made due."""
    end_wait = wait_endings.end_wait

    def end_only(tx: Tx, execution_id: str, path: str, ending: Any) -> bool:
        found = end_wait(tx, execution_id, path, ending)
        tx.run("UPDATE executions SET due_at = NULL WHERE id = ? AND status = 'WAITING'", (execution_id,))
        return found

    for home in (wait_endings, waits, answers):
        patch.setattr(home, "end_wait", end_only)


def answer_lost_while_parking(patch: Patch) -> None:
    """What ended between the look and the park is not seen."""

    def park(tx: Tx, items: Sequence[Park]) -> list[bool | Exception]:
        answers: list[bool | Exception] = []
        for item in items:
            rows = tx.rows(
                "SELECT deadline FROM waits WHERE execution_id = ? AND state = 'WAITING'", (item.execution_id,)
            )
            due = min((deadline for (deadline,) in rows if deadline is not None), default=None)
            changed = tx.run(
                "UPDATE executions SET status = 'WAITING', owner = NULL, due_at = ?, reason = ? "
                "WHERE id = ? AND epoch = ? AND status = 'RUNNING'",
                (due, item.reason, item.execution_id, item.epoch),
            )
            answers.append(True if changed else Fenced(item.execution_id))
        return answers

    patch.setattr(waits_page, "PARK", Verb("park", park, rings=("executions",), order=2))


def live_leases_ignored(patch: Patch) -> None:
    """Whatever runs is rescued."""

    def rescue(tx: Tx, items: Sequence[Rescue]) -> list[int]:
        host = current_host()
        return [
            tx.run(
                "UPDATE executions SET due_at = ? WHERE status = 'RUNNING' AND due_at IS NULL AND owner <> ?",
                (item.now, host.name if host else ""),
            )
            for item in items
        ]

    patch.setattr(executions_page, "RESCUE", Verb("rescue", rescue, rings=("executions",), order=RESCUE.order))


def nothing_rescued(patch: Patch) -> None:
    async def rescue(self: Store, dead: Sequence[str] = ()) -> int:
        return 0

    patch.setattr(Store, "rescue", rescue)


def timers_early(patch: Patch) -> None:
    wait = Store.wait

    async def early(self: Store, request: WaitRequest) -> WaitAnswer:
        return await wait(self, replace(request, now=request.now + 1500))

    patch.setattr(Store, "wait", early)


def tries_forgotten_at_a_restart(patch: Patch) -> None:
    decide = replay.decide

    def forgetful(*args: Any, **how: Any) -> replay.Decision:
        decision = decide(*args, **how)
        return replay.Perform(0) if isinstance(decision, replay.Perform) else decision

    patch.setattr(replay, "decide", forgetful)


def tried_again_though_at_most_once(patch: Patch) -> None:
    decide = replay.decide

    def careless(*args: Any, **how: Any) -> replay.Decision:
        decision = decide(*args, **how)
        return replay.Perform(1) if isinstance(decision, replay.Unknown) else decision

    patch.setattr(replay, "decide", careless)


def history_forgotten(patch: Patch) -> None:
    claim = Store.claim

    async def forgetful(self: Store, request: ClaimRequest) -> list[Claimed]:
        return [replace(one, history=()) for one in await claim(self, request)]

    patch.setattr(Store, "claim", forgetful)


def starts_not_bound_to_their_call(patch: Patch) -> None:
    async def start_nested(self: Store, request: StartRequest, call: CallWrite) -> Started:
        started = await self.start(replace(request, idempotency_key=None))
        done = call.checkpoint._replace(result=f'"{started.id}"')
        await self.checkpoint(call._replace(checkpoint=done))
        return started

    patch.setattr(Store, "start_nested", start_nested)


def limits_ignored(patch: Patch) -> None:
    claim = Store.claim

    async def unlimited(self: Store, request: ClaimRequest) -> list[Claimed]:
        free = tuple(replace(one, limit=None, by_key=False) for one in request.workflows)
        return await claim(self, replace(request, workflows=free))

    patch.setattr(Store, "claim", unlimited)


def lease_not_looked_at(patch: Patch) -> None:
    patch.setattr(Gate, "open", True)


def silence_of_the_store_forgotten(patch: Patch) -> None:
    patch.setattr(Claiming, "be_unsure", lambda _self: None)


def answers_not_told_apart(patch: Patch) -> None:
    """The same answer, given again after a crash, is taken for another one."""
    resolve = Store.resolve_wait

    async def again(self: Store, resolution: Resolution) -> WaitState:
        return await resolve(self, replace(resolution, once=False))

    patch.setattr(Store, "resolve_wait", again)


#: Each with the stories and the faults that show it soon.
MUTANTS: list[tuple[Mutant, tuple[str, ...], tuple[str, ...]]] = [
    (acknowledged_before_the_commit, ("sequence",), DEATHS),
    (answer_lost_while_parking, ("signals", "children"), DEATHS),
    (answers_not_told_apart, ("answering",), DEATHS),
    (checkpoints_not_awaited, ("sequence",), DEATHS),
    (history_forgotten, ("sequence",), DEATHS),
    (lease_not_looked_at, ("sequence", "flaky"), FREEZES),
    (lease_without_epoch, ("flaky", "fan"), FREEZES),
    (limits_ignored, ("keyed",), DEATHS),
    (live_leases_ignored, ("keyed", "children"), DEATHS),
    (nothing_rescued, ("sequence",), DEATHS),
    (silence_of_the_store_forgotten, ("fan",), SILENCES),
    (starts_not_bound_to_their_call, ("children",), DEATHS),
    (timers_early, ("signals",), DEATHS),
    (tried_again_though_at_most_once, ("once",), DEATHS),
    (tries_counted_after_they_began, ("flaky",), DEATHS),
    (tries_forgotten_at_a_restart, ("flaky",), DEATHS),
    (waits_end_twice, ("question",), DEATHS),
    (wake_up_lost, ("signals",), DEATHS),
]
