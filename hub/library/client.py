"""The client of a program: starts executions, works on them, and waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Self, overload

from hub.drivers import Driver
from hub.engine import failures
from hub.engine.going_on import GoingOn, said
from hub.engine.keeping import Keeping
from hub.engine.points import MISSING, Missing, WaitPoint
from hub.engine.policies import Duration
from hub.engine.resolving import Resolver
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.workflow import Workflow
from hub.library.declaring import Declaring
from hub.library.run import Out, WorkflowRun
from hub.model.clock import Clock, SharedClock, SystemClock, new_id
from hub.model.durations import milliseconds
from hub.model.errors import BadInput, ExecutionNotFound, HubError, NotFound
from hub.model.execution import ENDED, ExecutionRecord, Status
from hub.model.identity import MachineUser, by_namespace
from hub.model.names import is_label
from hub.model.values import canonical
from hub.model.wait import Signal, WaitKind, WaitRecord, WaitState
from hub.store import Store
from hub.store.databases import Database
from hub.targets.job_client import job_client


class Client(Declaring):
    """Declares workflows, starts them, and works on them in the running loop from the first call on.

    With a durable driver an execution goes on in the next process that declares the same workflows. `async with` or
    `close()` gives back what runs; a program that ends without it leaves that to the next one.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        workflows: Iterable[Workflow[Any, Any]] = (),
        env: Mapping[str, Any] | None = None,
        machine_users: Iterable[MachineUser] = (),
        databases: Mapping[str, Database] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if isinstance(driver, type) or not hasattr(driver, "durable"):
            raise TypeError(
                f"driver is {driver!r}: it must be a driver, such as SQLiteDriver(path) or InMemoryDriver()"
            )
        super().__init__(workflows)
        self._driver = driver
        self._clock = SharedClock(clock or SystemClock())
        self._surroundings = Surroundings(
            env=env or {}, machine_users=by_namespace(machine_users), databases=databases or {}, http=job_client
        )
        self._keeping: Keeping | None = None
        self._closed = False

    # --- executions

    @overload
    async def start_workflow(
        self,
        workflow: Workflow[Any, Out],
        args: Any = None,
        *,
        invoker: MachineUser | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
    ) -> WorkflowRun[Out]: ...
    @overload
    async def start_workflow(
        self,
        workflow: str,
        args: Any = None,
        *,
        invoker: MachineUser | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
    ) -> WorkflowRun: ...
    async def start_workflow(
        self,
        workflow: Workflow[Any, Any] | str,
        args: Any = None,
        *,
        invoker: MachineUser | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
    ) -> WorkflowRun[Any]:
        """Start an execution: it is stored when this returns. The same idempotency key again gives the first one.

        Raises NotFound, Refused, NotJson or InvalidArguments.
        """
        if not isinstance(workflow, str):
            self._registry.add_workflow(self._checked(workflow))
        store = self._store()
        request = start_request(
            self._registry,
            self._surroundings,
            self._clock,
            workflow=workflow if isinstance(workflow, str) else workflow.name,
            args=args,
            invoker=invoker,
            requested_by="library",
            idempotency_key=idempotency_key,
            priority=priority,
        )
        return WorkflowRun(self, (await store.start(request)).id)

    def run(self, execution_id: str) -> WorkflowRun:
        """An execution that was started before, by whichever process."""
        return WorkflowRun(self, execution_id)

    async def execution(self, execution_id: str) -> ExecutionRecord:
        """As it stands, with its jobs. Raises ExecutionNotFound."""
        found = await self._store().execution(execution_id)
        if found is None:
            raise ExecutionNotFound(execution_id)
        return found

    async def executions(
        self, *, workflow: str | None = None, status: str | None = None, limit: int = 50
    ) -> list[ExecutionRecord]:
        """Newest first, without their jobs. Raises NotFound for a status that there is not."""
        if status is not None and status not in set(Status):
            raise NotFound("status", status, Status)
        return await self._store().executions(workflow=workflow, status=status, limit=limit)

    async def resume(self, execution: WorkflowRun | str, args: Any | Missing = MISSING) -> WorkflowRun:
        """Let a failed one go on under its id, with another input if one is given.

        A finished call that would then be made with other arguments fails it again. Raises ExecutionNotFound, Conflict,
        NotJson or InvalidArguments.
        """
        execution_id = _id(execution)
        await self._going_on().resume(execution_id, args)
        return WorkflowRun(self, execution_id)

    async def settle(
        self,
        execution: WorkflowRun | str,
        path: str,
        *,
        result: Any | Missing = MISSING,
        failed: str | None = None,
        again: bool = False,
    ) -> None:
        """Say what became of a call that is at most once and was interrupted: its result, why it failed, or to make it again.

        Raises ExecutionNotFound, NotFound for the call, Conflict, BadInput, NotJson or InvalidArguments.
        """
        word = said(result, failed, again)
        await self._going_on().settle(_id(execution), path, word, by="library")

    async def fork(self, execution: WorkflowRun | str, path: str, args: Any | Missing = MISSING) -> WorkflowRun:
        """A new execution that has what another one had done before its call at `path`, and does the rest itself.

        Raises ExecutionNotFound, NotFound for the call, NotJson or InvalidArguments.
        """
        started = await self._going_on().fork(_id(execution), path, args, requested_by="library")
        return WorkflowRun(self, started.id)

    async def result(self, execution: WorkflowRun[Out] | str, timeout: Duration | None = None) -> Out:  # noqa: ASYNC109 - a duration as elsewhere in the hub
        """Wait for the end, and have what it returned. Raises JobFailed when it failed or was cancelled.

        What is raised is also of the type that the job raised. With a timeout, TimeoutError: the execution goes on.
        Raises ExecutionNotFound.
        """
        record = await self._ended(_id(execution), None if timeout is None else milliseconds(timeout) / 1000)
        if record.status is not Status.SUCCESS:
            raise failures.of_execution(record)
        workflow = self._registry.workflows.get(record.workflow)
        # Of a workflow that this client does not know, nobody knows the type.
        found: Out = record.result if workflow is None else workflow.main_job.output.load(canonical(record.result))
        return found

    async def cancel(self, execution: WorkflowRun | str) -> None:
        """End it: no step of it is stored any more. Raises ExecutionNotFound or Conflict."""
        await self._store().cancel(_id(execution))

    # --- answers and signals

    async def resolve(
        self,
        execution: WorkflowRun | str,
        wait_point: WaitPoint[Any, Any] | str,
        answer: Any,
        *,
        user: MachineUser | None = None,
        by: str = "library",
    ) -> WaitState:
        """Answer a wait point, once. A function is given the payload and returns the answer.

        WAITING: nobody has asked yet, and the answer is kept. Raises ExecutionNotFound, NotFound, InvalidArguments,
        Refused or Conflict.
        """
        resolver = Resolver(self._store(), self._clock, lambda: self._registry.wait_points)
        return await resolver.resolve(_id(execution), wait_point, answer, user=user, by=by)

    async def wait_points(self, *, open_only: bool = True, limit: int = 50) -> list[WaitRecord]:
        """What executions ask, the newest first."""
        return await self._store().waits(kind=WaitKind.POINT.value, open_only=open_only, limit=limit)

    async def send_signal(
        self,
        name: str,
        payload: Any = None,
        *,
        to_all: bool = False,
        execution: WorkflowRun | str | None = None,
    ) -> int:
        """Send a signal to whoever has waited longest, else to the next to come; or to all that wait.

        How many it reached at once.
        """
        if not is_label(name):
            raise BadInput(f'a signal is named by a text such as "paid", and not by {name!r}.')
        now = self._clock.now()
        only = None if execution is None else _id(execution)
        return await self._store().signal(Signal(new_id(now), name, canonical(payload), now, to_all, only))

    # --- the end

    async def close(self) -> None:
        """Give back what runs, and let go of the store. Nothing can be asked of the client any more."""
        self._closed = True
        if self._keeping is not None:
            await self._keeping.close()

    async def __aenter__(self) -> Self:
        self._store()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()

    # --- inside

    def _store(self) -> Store:
        """The store, with a worker on it in the running loop."""
        if self._closed:
            raise HubError("this client is closed: make another one.")
        if self._keeping is None:
            self._keeping = Keeping(
                lambda: self._driver.open(self._clock), self._registry, self._surroundings, self._clock
            )
        return self._keeping.store(keep_open=not self._driver.durable)

    def _going_on(self) -> GoingOn:
        return GoingOn(self._store(), self._registry, self._clock)

    async def _ended(self, execution_id: str, seconds: float | None) -> ExecutionRecord:
        self._store()
        assert self._keeping is not None
        async with asyncio.timeout(seconds), self._keeping.watching(execution_id) as changed:
            while True:
                status = await self._store().status_of(execution_id)
                if status is None:
                    raise ExecutionNotFound(execution_id)
                if status in ENDED:
                    return await self.execution(execution_id)
                await changed()


def _id(execution: WorkflowRun | str) -> str:
    return execution if isinstance(execution, str) else execution.id
