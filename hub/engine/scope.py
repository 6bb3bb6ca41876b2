"""Scopes: where a call is made from, which is the first part of its identity.

A call is known by scope path, name and its how-many-th time in that scope. Each job opens a scope; each task that a job
starts (`asyncio.gather` of coroutines, `create_task`) opens one of its own, named for its coroutine, so that branches
that run side by side do not count each other's calls.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from hub.model.errors import HubError, JobFailed

if TYPE_CHECKING:
    from hub.engine.job import Job
    from hub.engine.runner import Run

#: What begins a call.
Work = Callable[["Call"], Coroutine[Any, Any, Any]]

_scope: ContextVar[Scope | None] = ContextVar("hub_scope", default=None)

#: Wrappers that asyncio itself puts round an awaitable; nobody makes calls in them.
_WRAPPERS = frozenset({"_wrap_awaitable"})


class Unwind(BaseException):
    """Takes a job's stack down without being an error: the claim is over, or the execution has to stop here.

    Not an Exception, so that `except Exception` in a job cannot swallow it.
    """


class OutsideJob(HubError):
    """Something was called that only works inside a running job."""


class Call:
    """A durable call that was made from a scope."""

    __slots__ = ("_work", "depth", "future", "heard", "open_wait", "path", "pending", "scope")

    def __init__(self, path: str, work: Work | None = None) -> None:
        self.path = path
        self._work = work
        #: Done when the call is; None: it has not begun.
        self.future: asyncio.Future[Any] | concurrent.futures.Future[Any] | None = None
        #: It has not ended.
        self.pending = True
        #: How many calls it runs inside of, in their task; 0: it runs in its own.
        self.depth = 0
        #: It waits, and the store has said that what it waits for has not come.
        self.open_wait = False
        #: Called when that is so.
        self.heard: Callable[[], None] | None = None
        #: The scope of the job that it runs, once that runs.
        self.scope: Scope | None = None

    @classmethod
    def ended(cls, path: str, future: asyncio.Future[Any] | concurrent.futures.Future[Any]) -> Call:
        """One whose end is stored."""
        call = cls(path)
        call.future, call.pending = future, False
        return call

    def begin(self) -> Coroutine[Any, Any, Any]:
        """What it does, to be awaited. Once."""
        work, self._work = self._work, None
        assert work is not None
        return work(self)

    def idle(self) -> bool:
        """Whether it does nothing but wait."""
        return self.open_wait or (self.scope is not None and self.scope.idle())


class Scope:
    """A place to make durable calls from."""

    __slots__ = (
        "_above",
        "_closed",
        "_counts",
        "abandoned",
        "at_work",
        "awaited",
        "branches",
        "calls",
        "children",
        "depth",
        "failures",
        "held",
        "job",
        "once",
        "path",
        "plain",
        "run",
        "stray",
        "task",
        "unseen",
    )

    def __init__(self, run: Run, path: str, above: Scope | None = None) -> None:
        self.run = run
        self.path = path
        #: The job that it is opened for; None: it is a branch.
        self.job: Job[Any, Any] | None = None
        #: Its job runs in a thread.
        self.plain = False
        #: The task that its job runs in, and how many calls that runs, one inside the other. None: it is a branch.
        self.task: asyncio.Task[Any] | None = None
        self.depth = 0
        #: Its job is what runs at this moment, in that task.
        self.at_work = False
        #: Calls that it has made since it last came to a halt. Those that it does not await begin at the next one.
        self.held: list[Call] = []
        #: Its job is at most once: it is not run again from its top, so it makes no durable calls.
        self.once: bool = False if above is None else above.once
        #: The scope that this one branched off; None: a job's own.
        self._above = above
        self._counts: dict[str, int] = {}
        self._closed = False
        #: Calls under way. A branch shares them with its job: they end with it.
        self.children: set[asyncio.Task[Any]] = set() if above is None else above.children
        #: Failed calls whose error nobody has looked at, by path. Shared likewise.
        self.unseen: dict[str, JobFailed] = {} if above is None else above.unseen
        #: Paths of failed calls whose error the caller has been given.
        self.failures: list[str] = []
        #: Calls made from here that have not ended.
        self.calls: set[Call] = set()
        #: Calls that somebody here is blocked on.
        self.awaited: set[Call] = set()
        #: Tasks started here that have not ended, as scopes.
        self.branches: set[Scope] = set()
        #: The job was given up before its end: a thread that still runs it is taken down at its next call.
        self.abandoned = False
        #: And it goes on all the same: nobody waits for it, and nothing that it does is taken.
        self.stray = False

    @property
    def closed(self) -> bool:
        """True when the job has ended: nothing may be called any more."""
        return self._closed or (self._above is not None and self._above.closed)

    def close(self, *, abandoned: bool) -> None:
        self._closed = True
        self.abandoned = abandoned

    def halt(self) -> None:
        """The job awaits something, or has come to its end."""
        self.at_work = False
        if self.held:
            self.run.launcher.start_held(self)

    def next_path(self, name: str) -> str:
        """The path of the next call of `name` made from here."""
        count = self._counts.get(name, 0) + 1
        self._counts[name] = count
        return f"{self.path}/{name}" if count == 1 else f"{self.path}/{name}#{count}"

    def idle(self) -> bool:
        """Whether the code here is blocked on calls that do nothing but wait, or on tasks of its own that are.

        Ordinary awaits in a task of its own keep it busy; one in the job itself, beside an awaited wait, does not.
        """
        if not self.branches and not any(call.pending for call in self.awaited):
            return False
        return all(call.idle() for call in self.calls) and all(branch.idle() for branch in self.branches)

    def branch(self, coroutine: Any) -> Scope:
        """A scope for a task that this one starts."""
        label = getattr(coroutine, "__qualname__", "task").rpartition(".")[2]
        branch = Scope(self.run, self.next_path(f"~{label}"), self)
        self.branches.add(branch)
        return branch

    def branch_ended(self, task: asyncio.Task[Any]) -> None:
        """A branch that ends well has caught its failures; otherwise they are now the concern of where it began."""
        if self._above is not None:
            self._above.branches.discard(self)
        self.run.waits.look()
        if not self.failures or task.cancelled():
            return
        if task.exception() is None:
            self.run.calls.caught(self)
        elif self._above is not None:
            self._above.failures += self.failures

    def refuse_if_closed(self) -> None:
        scope: Scope | None = self
        while scope is not None:
            if scope._closed:  # noqa: SLF001 - its own kind
                if scope.abandoned:
                    raise Unwind
                raise OutsideJob(f"the job at {scope.path} has ended: nothing can be called from it any more.")
            scope = scope._above  # noqa: SLF001


def current() -> Scope:
    """The scope of the running job. Raises OutsideJob."""
    scope = _scope.get()
    if scope is None:
        raise OutsideJob(
            "this works only inside a running job. From elsewhere a workflow is started with Client.start_workflow or "
            "`hub workflow start`, a wait point answered with Client.resolve or `hub wait-point resolve`, or either by the API."
        )
    scope.refuse_if_closed()
    if scope.once:
        raise OutsideJob(
            f"the job at {scope.path} is at most once: it is never run again from its top, so it can make no durable calls. "
            "Make them in the job that calls it."
        )
    return scope


def current_or(scope: Scope) -> Scope:
    """The scope of the running task: a branch may await what its job has begun."""
    return _scope.get() or scope


def running() -> Scope | None:
    """The scope of the running task or thread; None: it belongs to no job."""
    return _scope.get()


def enter(scope: Scope) -> None:
    """Make it the current one of the running task or thread."""
    _scope.set(scope)


def branch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Tasks that jobs start in this loop get scopes of their own."""
    if loop.get_task_factory() is not _branching_task_factory:
        loop.set_task_factory(_branching_task_factory)  # type: ignore[arg-type]  # its stub lacks context


def _branching_task_factory(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any],
    *,
    context: Variables | None = None,
    **options: Any,
) -> asyncio.Task[Any]:
    """A task factory under which tasks started by a job get a scope of their own, in the order of their creation."""
    variables = copy_context() if context is None else context
    scope = variables.get(_scope)
    if scope is None or getattr(coro, "__name__", "") in _WRAPPERS:
        return asyncio.Task(coro, loop=loop, context=variables, **options)
    branch = scope.branch(coro)
    variables.run(_scope.set, branch)
    task = asyncio.Task(coro, loop=loop, context=variables, **options)
    task.add_done_callback(branch.branch_ended)
    return task
