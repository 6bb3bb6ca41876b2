"""Calls of jobs from a running execution: whether they are made, and what is stored of them."""

from __future__ import annotations

from typing import Any, NoReturn

from hub.engine import failures, pausing, replay
from hub.engine.called import Called
from hub.engine.job import Job
from hub.engine.part import Part
from hub.engine.scope import Scope
from hub.engine.starting import MOST_ARGS
from hub.engine.triggered import Triggered
from hub.engine.trying import refuse_large
from hub.model.errors import BadInput
from hub.model.execution import Checkpoint, JobStatus
from hub.model.values import digest
from hub.store.checkpoints import Handled

#: Levels of jobs that call jobs. A plain job holds its thread while it waits for those below.
_DEEPEST = 1_000


class Calls(Part):
    """Makes the calls of one run: what is done already is given back, and what is done now is stored before the job goes on."""

    def make(self, scope: Scope, job: Job[Any, Any], input: Any) -> Triggered[Any]:
        """A job is triggered at a scope: give back what is stored, or begin."""
        run = self._run
        run.refuse_if_stopped()
        path = scope.next_path(job.name)
        if path.count("/") > _DEEPEST:
            raise BadInput(
                f"jobs call each other more than {_DEEPEST:,} levels deep: does {job.name} call itself without end?"
            )
        self.caught(scope)
        args, value = job.input.dump_given(input)
        refuse_large("arguments are", args, MOST_ARGS)
        run.surroundings.hiding.refuse("the arguments are", args)
        call = Checkpoint(path, job.name, JobStatus.RUNNING, args, digest(args), number=next(run.numbers))
        match run.decide(call, at_most_once=job.at_most_once):
            case replay.GiveBack(result):
                return run.launcher.known(scope, path, job.output.load(result))
            case replay.RaiseAgain(error):
                return run.launcher.failed_before(scope, path, failures.rebuild(error, path))
            case replay.Unknown(stored):
                return run.launcher.begin(
                    scope,
                    path,
                    lambda made: pausing.await_outcome(run, Called(job, call, value, scope, made), stored),
                )
            case replay.Perform(attempts):
                return run.launcher.begin(
                    scope, path, lambda made: self.to_its_end(Called(job, call, value, scope, made), attempts)
                )

    async def to_its_end(self, called: Called, attempts: int) -> Any:
        """A call that is not stored yet: its checkpoint is durable before the caller goes on."""
        run, call, scope = self._run, called.call, called.parent
        assert scope is not None
        if called.job.at_most_once:  # its caller's next try finds that it has begun, as it would after a crash
            run.history[call.path] = call._replace(attempts=attempts + 1)
        ended = await run.trying.until_ended(called, attempts)
        # Before it is durable: should this task be taken down meanwhile, its write goes on, before any later one.
        run.history[call.path] = ended.checkpoint
        await run.durably(run.tools.store.checkpoint(run.write(ended.checkpoint)))
        if run.suspected:
            run.clear()
        if ended.failure is None:
            return ended.value
        assert ended.checkpoint.error is not None
        error = failures.rebuild(ended.checkpoint.error, call.path)
        scope.unseen[call.path] = error
        raise error from ended.failure

    async def fail(self, scope: Scope, call: Checkpoint, attempts: int, error: str) -> NoReturn:
        """A call fails without having been tried: its failure is durable before the caller has it."""
        run = self._run
        now = run.now()
        write = call._replace(status=JobStatus.FAILED, error=error, attempts=attempts, started_at=now, finished_at=now)
        await run.durably(run.tools.store.checkpoint(run.write(write)))
        self.raise_stored(scope, call, attempts, error)

    def raise_stored(self, scope: Scope, call: Checkpoint, attempts: int, error: str) -> NoReturn:
        """Raise at the caller what the store has as the call's failure."""
        self.note(call, JobStatus.FAILED, attempts=attempts, error=error)
        raised = failures.rebuild(error, call.path)
        scope.unseen[call.path] = raised
        raise raised

    def note(self, call: Checkpoint, status: JobStatus, **how: Any) -> None:
        """What the store has of a call now, for further tries of the job that makes it."""
        run = self._run
        run.history[call.path] = call._replace(status=status, epoch=run.claimed.epoch, finished_at=run.now(), **how)

    def forget_failures(self, path: str) -> None:
        """Calls that failed for good in the last try of the job at `path` run again in the next one."""
        run = self._run
        for below, call in list(run.history.items()):
            if below.startswith(f"{path}/") and call.status is JobStatus.FAILED and not call.handled:
                run.history[below] = call._replace(epoch=-1)

    def caught(self, scope: Scope) -> None:
        """A further call from the same place shows that its earlier failures were caught."""
        while scope.failures:
            self._mark(scope.failures.pop(), caught=True)

    def raised_after_all(self, error: BaseException, path: str) -> None:
        """A job that fails with the error of a call has not caught it, whatever it did in between."""
        for call in failures.calls_behind(error):
            if call.startswith(f"{path}/"):
                self._mark(call, caught=False)

    def _mark(self, path: str, *, caught: bool) -> None:
        run = self._run
        known = run.history.get(path)
        if known is not None and known.handled != caught:
            run.history[path] = known._replace(handled=caught)
            run.tools.store.handled(Handled(run.claimed.id, run.claimed.epoch, path, caught))
