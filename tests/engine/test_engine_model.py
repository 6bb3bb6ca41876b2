"""The engine against a model of it in a page: whatever people and crashes do, in whatever order, both say the same."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from kit import Bench, StillClock
from mortal import Mortal

from hub import Context, job, wait_point, workflow
from hub.model.errors import Conflict, NonRetryable
from hub.model.wait import Resolution, Signal, WaitState
from hub.store import Store, answers, wait_endings, waits
from hub.store.pruning import Prune

MEMORY_DISK = Path("/dev/shm")
ANSWER_WITHIN = 60
NAP = 30

approval = wait_point("model-approval", dict, str)


@dataclass
class Known:
    """What the model knows of an execution."""

    kind: str
    status: str
    #: When it wakes by itself, in milliseconds; None: never.
    wakes: int | None = None
    result: Any = None
    child_of: str | None = None


def workflows(mended: set[str]) -> list[Any]:
    @job
    async def double(input: int) -> int:
        return 2 * input

    @job(name="model-plain")
    async def plain() -> int:
        return await double.trigger(2) + await double.trigger(3)

    @job(name="model-asker")
    async def asker() -> str:
        return await approval.wait({}, timeout=f"{ANSWER_WITHIN}s", default="nobody")

    @job(name="model-sleeper")
    async def sleeper(ctx: Context) -> str:
        await ctx.step.sleep("nap", f"{NAP}s")
        return "rested"

    @job(name="model-listener")
    async def listener(ctx: Context) -> str:
        return await ctx.step.wait_for_signal("call")

    listening = workflow("listener", listener)

    @job(name="model-parent")
    async def parent(ctx: Context) -> str:
        return await ctx.step.invoke(listening)

    @job(name="model-broken")
    async def broken(ctx: Context) -> str:
        first = await double.trigger(1)
        if ctx.idempotency_key.partition("/")[0] not in mended:
            raise NonRetryable("somebody has to mend it")
        return f"mended after {first}"

    return [
        workflow("plain", plain),
        workflow("asker", asker),
        workflow("sleeper", sleeper),
        listening,
        workflow("parent", parent),
        workflow("broken", broken),
    ]


class EngineAndModel(RuleBasedStateMachine):
    executions = Bundle("executions")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-test-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
        self.clock = StillClock()
        self.known: dict[str, Known] = {}
        self.mended: set[str] = set()
        self.hub = Mortal(
            f"sqlite:///{self.folder}/hub.db", self.clock, lambda bench: bench.redefine(*workflows(self.mended))
        )

    @property
    def _bench(self) -> Bench:
        return self.hub.bench

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.hub.do(work)

    def _work(self) -> None:
        """Let everything run that can, through crashes that are planned, until nothing is left to do."""
        self.hub.through(self._rest)

    async def _rest(self) -> None:
        await self._bench.work()

    # --- what happens

    @rule(target=executions, kind=st.sampled_from(["plain", "asker", "sleeper", "listener", "parent", "broken"]))
    def start(self, kind: str) -> Any:
        execution = self._do(self._bench.start(kind))
        self._work()
        made = self.known[execution] = Known(kind, "WAITING")
        match kind:
            case "plain":
                made.status, made.result = "SUCCESS", 10
            case "asker":
                made.wakes = self.clock.now() + ANSWER_WITHIN * 1000
            case "sleeper":
                made.wakes = self.clock.now() + NAP * 1000
            case "broken":
                made.status = "FAILED"
            case "parent":
                ((child,),) = self.hub.rows("SELECT id FROM executions WHERE parent_id = ?", execution)
                self.known[child] = Known("listener", "WAITING", child_of=execution)
                return multiple(execution, child)
        return execution

    @rule(execution=executions)
    def answer(self, execution: str) -> None:
        known = self.known[execution]
        if known.kind != "asker":
            return
        resolution = Resolution(execution, approval.key, '"yes"', self.clock.now(), "model")
        try:
            accepted = self._do(self._bench.store.resolve_wait(resolution)) is WaitState.RESOLVED
        except Conflict:
            accepted = False
        assert accepted == (known.status == "WAITING")
        if accepted:
            known.status, known.result = "SUCCESS", "yes"
        self._work()

    @rule(execution=executions, number=st.integers(0, 99))
    def signal(self, execution: str, number: int) -> None:
        known = self.known[execution]
        if known.kind != "listener" or known.status != "WAITING":
            return
        name = f"signal-{self.hub.processes}-{len(self.known)}-{number}-{execution}"
        signal = Signal(name, "call", f'"{number}"', self.clock.now(), False, execution)
        for again in (False, True):
            reached = self._do(self._bench.store.signal(signal))
            assert reached == (0 if again else 1)
        self._end(execution, "SUCCESS", str(number))
        self._work()

    def _end(self, execution: str, status: str, result: Any) -> None:
        known = self.known[execution]
        known.status, known.result = status, result
        if known.child_of is not None and self.known[known.child_of].status == "WAITING":
            self._end(known.child_of, "SUCCESS" if status == "SUCCESS" else "FAILED", result)

    @rule(execution=executions)
    def cancel(self, execution: str) -> None:
        known = self.known[execution]
        if known.kind == "forgotten":
            return
        try:
            self._do(self._bench.store.cancel(execution))
        except Conflict:
            assert known.status in ("SUCCESS", "FAILED", "CANCELED")
            return
        assert known.status == "WAITING"
        known.status = "CANCELED"
        for other in self.known.values():
            if other.child_of == execution and other.status == "WAITING":
                other.status = "CANCELED"
        if known.child_of is not None and self.known[known.child_of].status == "WAITING":
            self._end(known.child_of, "FAILED", None)
        self._work()

    @rule(execution=executions, mend=st.booleans())
    def resume(self, execution: str, mend: bool) -> None:
        known = self.known[execution]
        if known.kind in ("parent", "forgotten"):
            return  # a failed one would have its canceled child fail it again: said elsewhere
        if mend:
            self.mended.add(execution)
        try:
            self._do(self._bench.store.resume(execution))
        except Conflict:
            assert known.status != "FAILED"
            return
        assert known.status == "FAILED"
        if execution in self.mended:
            known.status, known.result = "SUCCESS", "mended after 2"
        self._work()

    @rule(seconds=st.sampled_from([1, 10, 29, 30, 59, 61]))
    def tick(self, seconds: int) -> None:
        self.clock.advance(seconds)
        for known in self.known.values():
            if known.status == "WAITING" and known.wakes is not None and known.wakes <= self.clock.now():
                known.status, known.result = "SUCCESS", "nobody" if known.kind == "asker" else "rested"
        self._work()

    @rule(commits=st.integers(1, 8))
    def die_soon(self, commits: int) -> None:
        """The process ends before or after one of the commits of its next work."""
        self.hub.dies_at = commits

    @rule()
    def kill(self) -> None:
        self.hub.lose()
        self.hub.begin()
        self._work()

    @rule()
    def restart(self) -> None:
        self.hub.end()
        self.hub.begin()
        self._work()

    @rule(gone=consumes(executions))
    def prune(self, gone: str) -> None:
        """What has ended long ago goes, and nothing else does."""
        del gone
        pruned = self._do(self._bench.store.prune(Prune(0, self.clock.now() - 120_000)))
        left = {execution for (execution,) in self.hub.rows("SELECT id FROM executions")}
        missing = {name for name, one in self.known.items() if one.kind != "forgotten"} - left
        assert pruned.executions == len(missing)
        for execution in missing:
            assert self.known[execution].status in ("SUCCESS", "FAILED", "CANCELED")
        for execution in missing:
            self.known[execution].kind = "forgotten"

    # --- what must hold

    @invariant()
    def both_say_the_same(self) -> None:
        if not hasattr(self, "known"):
            return
        found = {row[0]: row[1:] for row in self.hub.rows("SELECT id, status, result FROM executions")}
        expected = {name: one for name, one in self.known.items() if one.kind != "forgotten"}
        assert {name: status for name, (status, _) in found.items()} == {n: one.status for n, one in expected.items()}
        for name, (status, result) in found.items():
            if status == "SUCCESS":
                assert result == (
                    f'"{expected[name].result}"'
                    if isinstance(expected[name].result, str)
                    else str(expected[name].result)
                )

    @invariant()
    def the_books_balance(self) -> None:
        if hasattr(self, "known"):
            assert self._do(self._bench.store.books(0)).findings == ()

    def teardown(self) -> None:
        if hasattr(self, "hub"):
            with contextlib.suppress(Exception):
                self.hub.end()
            shutil.rmtree(self.folder, ignore_errors=True)


_HOW = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def _play(examples: int, steps: int, **how: Any) -> None:
    run_state_machine_as_test(
        EngineAndModel, settings=settings(max_examples=examples, stateful_step_count=steps, **_HOW, **how)
    )


@pytest.mark.timeout(600)
def test_engine_and_model_say_the_same() -> None:
    _play(8, 20)


def _wakes_nobody(patch: pytest.MonkeyPatch) -> None:
    end_wait = wait_endings.end_wait

    def end_only(tx: Any, execution_id: str, path: str, ending: Any) -> bool:
        found = end_wait(tx, execution_id, path, ending)
        tx.run("UPDATE executions SET due_at = NULL WHERE id = ? AND status = 'WAITING'", (execution_id,))
        return found

    for home in (wait_endings, waits, answers):
        patch.setattr(home, "end_wait", end_only)


def _forgets_what_was_done(patch: pytest.MonkeyPatch) -> None:
    claim = Store.claim

    async def forgetful(self: Store, request: Any) -> Any:
        return [replace(one, history=()) for one in await claim(self, request)]

    patch.setattr(Store, "claim", forgetful)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", [_wakes_nobody, _forgets_what_was_done])
def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    fault(monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup)):
        # The same examples each time, and enough of them: it ends with the first that fails.
        _play(300, 30, phases=[Phase.generate], derandomize=True, report_multiple_bugs=False)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_engine_and_model_say_the_same_for_long() -> None:
    _play(2_000, 50)
