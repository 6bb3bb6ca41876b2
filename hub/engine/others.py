"""Other executions that a run starts: independent ones, and children whose result it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hub.engine import failures, replay
from hub.engine.part import Part
from hub.engine.scope import Scope
from hub.engine.starting import nested_request
from hub.engine.triggered import Triggered
from hub.model.execution import Checkpoint, JobStatus, StartRequest
from hub.model.values import canonical, digest, parse

Invoker = str | Mapping[str, str] | None


class Others(Part):
    """Starts other executions for one run."""

    def start(
        self,
        scope: Scope,
        workflow: str,
        args: Any,
        invoker: Invoker,
        idempotency_key: str | None = None,
        priority: int | None = None,
        *,
        child_at: str | None = None,
    ) -> Triggered[str]:
        """Start another execution. Run again after a restart it finds the one that it started.

        With `child_at` it is a child: a cancel reaches it. The call then stands at that path.
        """
        run = self._run
        name = f"start:{workflow}"
        path, text = self._place(scope, name, workflow, args, child_at)
        call = Checkpoint(
            path, name, JobStatus.SUCCESS, text, digest(text), epoch=run.claimed.epoch, number=next(run.numbers)
        )
        decision = run.decide(call)
        if isinstance(decision, replay.GiveBack):
            return run.launcher.known(scope, path, parse(decision.result))
        request = nested_request(
            run.registry,
            run.surroundings,
            run.tools.clock,
            run.claimed,
            workflow=workflow,
            args=args,
            invoker=invoker,
            idempotency_key=idempotency_key or f"{run.claimed.id}/{path}",
            priority=priority,
        )
        if child_at is not None:
            request = replace(request, parent_id=run.claimed.id)
        return run.launcher.begin(scope, path, lambda _made: self._start(request, call))

    def invoke(self, scope: Scope, workflow: str, args: Any, invoker: Invoker) -> Triggered[Any]:
        """Start a child and wait for its result."""
        run = self._run
        name = f"invoke:{workflow}"
        path, text = self._place(scope, name, workflow, args)
        output = run.registry.workflow(workflow).main_job.output
        call = Checkpoint(path, name, JobStatus.WAITING, text, digest(text), number=next(run.numbers))
        match run.decide(call):
            case replay.GiveBack(result):
                return run.launcher.known(scope, path, output.load(result))
            case replay.RaiseAgain(error):
                return run.launcher.failed_before(scope, path, failures.rebuild(error, path))
            case _:
                child = self.start(scope, workflow, args, invoker, child_at=f"{path}/start")
                return run.waits.wait_for_child(scope, call, child, output.load)

    def _place(self, scope: Scope, name: str, workflow: str, args: Any, path: str | None = None) -> tuple[str, str]:
        """Where the call stands, unless that is known, and its arguments as JSON text."""
        run = self._run
        run.refuse_if_stopped()
        path = path or scope.next_path(name)
        run.calls.caught(scope)
        text, _ = run.registry.workflow(workflow).main_job.input.dump_given(args)
        run.surroundings.hiding.refuse("the arguments are", text)
        return path, text

    async def _start(self, request: StartRequest, call: Checkpoint) -> str:
        run = self._run
        now = run.now()
        done = call._replace(started_at=now, finished_at=now)
        started = await run.durably(run.tools.store.start_nested(request, run.write(done)))
        run.history[call.path] = done._replace(result=canonical(started.id))
        return started.id
