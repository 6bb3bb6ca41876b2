"""The engine of the test kit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

from hub.engine.going_on import GoingOn, said
from hub.engine.history import History
from hub.engine.job import Job
from hub.engine.points import MISSING, Missing, WaitPoint
from hub.engine.policies import Duration
from hub.engine.registry import Registry
from hub.engine.resolving import Resolver
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.engine.workflow import Workflow
from hub.model.clock import from_iso
from hub.model.durations import milliseconds
from hub.model.errors import ExecutionNotFound, NotFound
from hub.model.execution import ExecutionRecord
from hub.model.identity import MachineUser, by_namespace
from hub.model.values import canonical
from hub.model.wait import Signal, WaitRecord
from hub.store import open_store
from hub.store.databases import Database
from hub.targets.job_client import job_client
from hub.testing.answers import Answers
from hub.testing.mocks import Mock
from hub.testing.resting import Resting
from hub.testing.run import VirtualRun
from hub.testing.virtual_time import VirtualTime


class VirtualEngine:
    """Runs workflows in memory, with the engine that a hub runs them with. Time moves by `advance` alone.

    `async with` it. Everything happens within its calls: each returns when nothing is left to do but to wait. In
    jobs `asyncio.sleep` and timeouts take virtual time too; a plain job's `time.sleep` is real. `start_time` is an ISO 8601
    text. `patience`: real seconds for which a job may await something that the engine does not know, such as a socket.
    """

    def __init__(
        self,
        workflows: Iterable[Workflow[Any, Any]] = (),
        jobs: Iterable[Job[Any, Any]] = (),
        *,
        env: Mapping[str, Any] | None = None,
        machine_users: Iterable[MachineUser] = (),
        secrets: Mapping[str, str] | None = None,
        databases: Mapping[str, Database] | None = None,
        start_time: str = "2026-01-01T00:00:00Z",
        patience: float = 0.25,
    ) -> None:
        self._secrets = dict(secrets or {})
        self._surroundings = Surroundings(
            env or {}, by_namespace(machine_users), databases or {}, self._secret, job_client
        )
        self._registry = Registry(workflows, jobs)
        self._time = VirtualTime(from_iso(start_time))
        self._store = open_store("sqlite://", self._time)
        self._worker = Worker(self._store, self._registry, self._surroundings, self._time, "virtual")
        self._resolver = Resolver(self._store, self._time, lambda: self._registry.wait_points)
        self._going_on = GoingOn(self._store, self._registry, self._time)
        self._answers = Answers(self._store, self._resolver)
        self._resting = Resting(self._time, lambda: self._worker.runs, patience)
        self._mocks: dict[Job[Any, Any], Mock] = {}
        self._rang = False
        self._started = 0
        self._signals = 0
        self._store.listen(self._hear)

    # --- life

    async def __aenter__(self) -> Self:
        self._time.enter(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *_raised: object) -> None:
        try:
            await self._worker.drain(0)
            await self._store.close()
        finally:
            self._time.leave()
            for mock in self._mocks.values():
                mock.end()

    # --- what a test does

    def now(self) -> int:
        """Virtual milliseconds since 1970 UTC."""
        return self._time.now()

    async def start(
        self,
        workflow: Workflow[Any, Any] | str,
        args: Any = None,
        *,
        invoker: MachineUser | str | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
    ) -> VirtualRun:
        """Start an execution and let it run until it has to wait. Raises NotFound, Refused, NotJson or InvalidArguments."""
        if isinstance(workflow, Workflow):
            self._registry.add_workflow(workflow)
        request = start_request(
            self._registry,
            self._surroundings,
            self._time,
            workflow=workflow if isinstance(workflow, str) else workflow.name,
            args=args,
            invoker=self._surroundings.named_user(invoker) if isinstance(invoker, str) else invoker,
            requested_by="test",
            idempotency_key=idempotency_key,
            priority=priority,
        )
        self._started += 1
        # The same ids in every run of a test: so are the waits between retries.
        started = await self._store.start(replace(request, id=f"{self._started:026d}"))
        await self.settle()
        return VirtualRun(self, started.id)

    def run(self, execution_id: str) -> VirtualRun:
        """An execution by its id, such as one that a job has started."""
        return VirtualRun(self, execution_id)

    async def advance(self, duration: Duration) -> None:
        """Let time pass. Timers, retries and timeouts go off in the order in which they are due, each at its time."""
        until = self._time.now() + milliseconds(duration)
        await self.settle()
        while (due := await self._next_due()) is not None and due <= until:
            self._time.move_to(due)
            await self.settle()
        self._time.move_to(until)
        await self.settle()

    async def settle(self) -> None:
        """Do what can be done without time passing. Every other call does it too."""
        while True:
            await self._resting.reached()
            if self._rang:
                self._rang = False
                await self._time.inside(self._worker.sweep())
            elif not await self._time.inside(self._worker.run_once()) and not await self._answers.give():
                return

    def mock(self, job: Job[Any, Any] | str, instead: Any) -> Mock:
        """Let a job give this result instead, raise this exception, or call this function with its input.

        Until the engine is left. The function may take the context too, and be async where the job is.
        """
        found = job if isinstance(job, Job) else self._registry.jobs.get(job)
        if found is None:
            raise NotFound("job", str(job), self._registry.jobs)
        mock = self._mocks[found] = Mock(found, instead)
        mock.begin()
        return mock

    async def answer(
        self,
        point: WaitPoint[Any, Any],
        answer: Any,
        *,
        execution: VirtualRun | str | None = None,
        always: bool = False,
        by: str = "test",
    ) -> None:
        """Answer a wait point: everybody who asks now; when nobody does, the first who will, or with `always` every one.

        A function is given the payload and returns the answer. With an execution only that one is answered, now.
        Raises InvalidArguments when the answer does not fit, and with an execution Conflict when it was answered before.
        """
        if execution is not None:
            await self._resolver.resolve(
                execution if isinstance(execution, str) else execution.id, point, answer, by=by
            )
            await self.settle()
            return
        await self._answers.answer(point, answer, always=always, by=by)
        await self.settle()

    async def signal(
        self, name: str, payload: Any = None, *, to_all: bool = False, execution: VirtualRun | str | None = None
    ) -> int:
        """Send a signal; how many waiters it reached at once."""
        self._signals += 1
        only = execution.id if isinstance(execution, VirtualRun) else execution
        reached = await self._store.signal(
            Signal(f"test-{self._signals:06d}", name, canonical(payload), self._time.now(), to_all, only)
        )
        await self.settle()
        return reached

    async def wait_points(self) -> list[WaitRecord]:
        """What waits for an answer, the newest first."""
        return await self._answers.asked()

    async def executions(self) -> list[ExecutionRecord]:
        """Newest first, without their jobs."""
        return await self._store.executions(limit=1_000)

    async def execution(self, execution_id: str) -> ExecutionRecord:
        """With its jobs. Raises ExecutionNotFound."""
        found = await self._store.execution(execution_id)
        if found is None:
            raise ExecutionNotFound(execution_id)
        return found

    async def history(self, run: VirtualRun | str) -> History:
        """What an execution has done so far, for `replay`."""
        return History.of(await self.execution(run if isinstance(run, str) else run.id))

    async def cancel(self, execution_id: str) -> None:
        """Raises ExecutionNotFound or Conflict."""
        await self._store.cancel(execution_id)
        await self.settle()

    async def resume(self, execution_id: str, args: Any | Missing = MISSING) -> None:
        """Raises ExecutionNotFound or Conflict; with another input NotJson or InvalidArguments."""
        await self._going_on.resume(execution_id, args)
        await self.settle()

    async def settle_call(
        self,
        execution_id: str,
        path: str,
        *,
        result: Any | Missing = MISSING,
        failed: str | None = None,
        again: bool = False,
    ) -> None:
        """Say what became of a call: its result, why it failed, or to make it again.

        Raises ExecutionNotFound, NotFound for the call, Conflict or BadInput.
        """
        word = said(result, failed, again)
        await self._going_on.settle(execution_id, path, word, by="test")
        await self.settle()

    async def fork(self, execution_id: str, path: str, args: Any | Missing = MISSING) -> VirtualRun:
        """Start a new execution from a call of another one on. Raises ExecutionNotFound, or NotFound for the call."""
        started = await self._going_on.fork(execution_id, path, args, requested_by="test")
        await self.settle()
        return VirtualRun(self, started.id)

    # --- inside

    def _secret(self, name: str) -> str:
        if name not in self._secrets:
            raise NotFound("secret", name, self._secrets)
        return self._secrets[name]

    def _hear(self, topic: str) -> None:
        if topic in ("answers", "canceled", "settled"):
            self._rang = True

    async def _next_due(self) -> int | None:
        stored = await self._store.next_due(list(self._registry.workflows))
        return min((due for due in (stored, self._time.next_due()) if due is not None), default=None)
