"""Scopes: where a call is made from, which is the first part of its identity.

A call is known by scope path, name and its how-many-th time in that scope. Each job opens a scope; each task that a job
starts (`asyncio.gather` of coroutines, `create_task`) opens one of its own, named for its coroutine, so that branches
that run side by side do not count each other's calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context as Variables
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from hub.model.errors import HubError

if TYPE_CHECKING:
    from hub.engine.context import Context
    from hub.engine.runner import Run

_scope: ContextVar[Scope | None] = ContextVar("hub_scope", default=None)

#: Wrappers that asyncio itself puts round an awaitable; nobody makes calls in them.
_WRAPPERS = frozenset({"_wrap_awaitable"})


class OutsideJob(HubError):
    """Something was called that only works inside a running job."""


class Scope:
    """A place to make durable calls from."""

    __slots__ = ("_counts", "children", "closed", "context", "failures", "path", "run")

    def __init__(self, run: Run, path: str, context: Context | None) -> None:
        self.run = run
        self.path = path
        self.context = context
        self._counts: dict[str, int] = {}
        #: Calls under way that were made from here.
        self.children: set[asyncio.Task[Any]] = set()
        #: Paths of failed calls whose error the caller has been given.
        self.failures: list[str] = []
        #: True when the job has ended: nothing may be called any more.
        self.closed = False

    def next_path(self, name: str) -> str:
        """The path of the next call of `name` made from here."""
        count = self._counts.get(name, 0) + 1
        self._counts[name] = count
        return f"{self.path}/{name}" if count == 1 else f"{self.path}/{name}#{count}"

    def branch(self, coroutine: Any) -> Scope:
        """A scope for a task that this one starts. It shares the children: they end with the job."""
        label = getattr(coroutine, "__qualname__", "task").rpartition(".")[2]
        branch = Scope(self.run, self.next_path(f"~{label}"), self.context)
        branch.children = self.children
        return branch


def current() -> Scope:
    """The scope of the running job. Raises OutsideJob."""
    scope = _scope.get()
    if scope is None:
        raise OutsideJob(
            "this works only inside a running job. To start a workflow from elsewhere use Client.start_workflow, "
            "`hub workflow start` or the API."
        )
    if scope.closed:
        raise OutsideJob(f"the job at {scope.path} has ended: nothing can be called from it any more.")
    return scope


def enter(scope: Scope) -> None:
    """Make it the current one of the running task or thread."""
    _scope.set(scope)


def branching_task_factory(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any],
    *,
    context: Variables | None = None,
    **options: Any,
) -> asyncio.Task[Any]:
    """A task factory under which tasks started by a job get a scope of their own, in the order of their creation."""
    variables = copy_context() if context is None else context
    scope = variables.get(_scope)
    if scope is not None and getattr(coro, "__name__", "") not in _WRAPPERS:
        variables.run(_scope.set, scope.branch(coro))
    return asyncio.Task(coro, loop=loop, context=variables, **options)
