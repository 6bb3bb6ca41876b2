"""The context that a job is given."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from hub.model.errors import Conflict, NotFound
from hub.model.execution import Checkpoint
from hub.model.identity import MachineUser
from hub.store.databases import Database, Transaction
from hub.store.results import JobResult

if TYPE_CHECKING:
    from hub.engine.job import Job
    from hub.engine.runner import Run
    from hub.engine.steps import Steps

_making = threading.Lock()

#: An exception, or whether to take the one that is being handled.
ExcInfo = bool | BaseException


class Context:
    """What a job knows of the execution that it belongs to."""

    __slots__ = ("_call", "_http", "_job", "_result", "_run", "_transaction", "input", "target")

    def __init__(self, run: Run, job: Job[Any, Any], call: Checkpoint, input: Any) -> None:
        self._run = run
        self._job = job
        self._call = call
        self._http: Any = None
        #: What this try has called last.
        self.target: str | None = None
        self._result: JobResult | None = None
        self._transaction: Transaction | None = None
        #: The job's input.
        self.input = input

    @property
    def path(self) -> str:
        """Where this call stands in the execution."""
        return self._call.path

    @property
    def attempt(self) -> int:
        """Which try of this job it is, from 1."""
        return self._call.attempts

    @property
    def committed(self) -> str | None:
        """The result as it was committed together with the job's writes; None: it was not."""
        return None if self._result is None else self._result.committed

    @property
    def log(self) -> JobLog:
        """For lines that are kept with the execution."""
        return JobLog(self._run, self.path)

    @property
    def execution_id(self) -> str:
        return self._run.claimed.id

    @property
    def idempotency_key(self) -> str:
        """The same for every try of this call: hand it to whoever must not do the thing twice."""
        return f"{self._run.claimed.id}/{self.path}"

    @property
    def env(self) -> dict[str, Any]:
        """The plain values of config/hub.yaml."""
        return dict(self._run.surroundings.env)

    @property
    def invoker(self) -> MachineUser | None:
        """The machine user that the execution acts as, with its rights as they are now. None: anonymous."""
        return self._run.surroundings.invoker(self._run.claimed.invoker)

    @property
    def jobs(self) -> Jobs:
        """Jobs by name: `ctx.jobs.fetch_customer(x)` is `fetch_customer.trigger(x)`."""
        return Jobs(self._run)

    @property
    def step(self) -> Steps:
        """Durable work inside this job: run, sleep, wait for signals, invoke workflows."""
        from hub.engine.steps import Steps

        return Steps(self._run)

    def database(self, name: str) -> Database:
        """A database of config/hub.yaml. Raises NotFound, or Refused without `database:write:NAME` or `database:read:NAME`.

        With the latter only `rows` works. The right is looked at again with each use.
        """
        database = self._run.surroundings.database(name)

        def check(write: bool) -> None:
            self._run.surroundings.allow_database(self.invoker, name, write=write)

        check(False)
        return database.of_job(self._job_result(), check)

    def _job_result(self) -> JobResult:
        """Made when it is first needed, which few jobs do; a job may have threads of its own."""
        with _making:
            if self._result is None:
                run, call = self._run, self._call
                dump = partial(run.trying.dump, self._job)
                self._result = JobResult(run.claimed.id, call.path, call.args_hash, dump, run.tools.threads)
            return self._result

    @property
    def http(self) -> Any:
        """An HTTP client that sends `idempotency_key` along: `await ctx.http.post(url, json=…)` in an async job, without `await` in
        a plain one. It is an `httpx.AsyncClient`, or `httpx.Client`, of this try, and is closed at its end.
        """
        if self._http is None:
            self._http = self._run.surroundings.http(self.idempotency_key, not self._job.is_async, self.calls)
        return self._http

    def calls(self, target: str) -> None:
        """Say what this try is about to call, by a name such as its host. Should the try fail, the next one begins when that has
        room for it: retries of one target are at most half as many as first tries, or ten a second. `ctx.http` says it by itself.
        """
        self.target = target
        if self.attempt == 1:
            self._run.tools.budgets.count(target, self._run.now())

    @property
    def holds_client(self) -> bool:
        """Whether there is something to let go of."""
        return self._http is not None

    async def let_go(self) -> None:
        """The try has ended."""
        client, self._http = self._http, None
        if not self._job.is_async:
            client.close()
        else:
            await client.aclose()

    @property
    def transaction(self) -> Transaction:
        """The transaction of a `@job(transaction="shop")`, which is committed together with the job's result."""
        if self._transaction is None:
            raise Conflict(
                f'the call {self.path} has no transaction of its own: write @job(transaction="…") above its job.'
            )
        return self._transaction

    def enter(self, transaction: Transaction) -> None:
        """The job runs in this transaction."""
        self._transaction = transaction

    def secret(self, name: str) -> str:
        """A secret's value. Raises NotFound, or Refused without `secret:read:NAME`."""
        self._run.surroundings.allow(self.invoker, "secret:read", name)
        found = self._run.surroundings.secret(name)
        self._run.surroundings.hiding.learn(found, name)
        return found


class Jobs:
    """The older spelling of calls."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        jobs = self._run.registry.jobs
        found = jobs.get(name.replace("_", "-"))
        if found is None:
            raise NotFound("job", name.replace("_", "-"), jobs)
        return found.trigger


class JobLog:
    """A logger whose lines are stored with the execution: `ctx.log.info("fetched %d rows", count)`.

    With `exc_info`, as in the standard library, the exception that is being handled follows, with its traceback; `exception` has it.
    """

    __slots__ = ("_path", "_run")

    def __init__(self, run: Run, path: str) -> None:
        self._run = run
        self._path = path

    def debug(self, message: str, *args: Any, exc_info: ExcInfo = False) -> None:
        self._keep(logging.DEBUG, message, args, exc_info)

    def info(self, message: str, *args: Any, exc_info: ExcInfo = False) -> None:
        self._keep(logging.INFO, message, args, exc_info)

    def warning(self, message: str, *args: Any, exc_info: ExcInfo = False) -> None:
        self._keep(logging.WARNING, message, args, exc_info)

    def error(self, message: str, *args: Any, exc_info: ExcInfo = False) -> None:
        self._keep(logging.ERROR, message, args, exc_info)

    def exception(self, message: str, *args: Any, exc_info: ExcInfo = True) -> None:
        self._keep(logging.ERROR, message, args, exc_info)

    def _keep(self, level: int, message: str, args: tuple[Any, ...], exc_info: ExcInfo) -> None:
        text = str(message)
        if args:
            named = len(args) == 1 and isinstance(args[0], Mapping)
            try:
                text = text % (args[0] if named else args)
            except (TypeError, ValueError, KeyError):
                text = f"{text} {args!r}"
        error = exc_info if isinstance(exc_info, BaseException) else sys.exception() if exc_info else None
        if error is not None:
            text += "\n" + "".join(traceback.format_exception(error)).rstrip()
        self._run.keep_line(self._path, logging.getLevelName(level), text)
