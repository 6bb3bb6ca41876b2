"""The revision of a definition: a hash of the code that a workflow runs."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from hub.engine.job import Job
from hub.engine.workflow import Workflow


def revision(workflow: Workflow[Any, Any]) -> str:
    """A hash over the sources of the main job, of the jobs that it can reach, and of the policies.

    Comments and the place of a function in its file do not count as changes of other functions.
    """
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{workflow.name} {workflow.retry_policy} {workflow.concurrency_policy} {workflow.timeout}".encode())
    digest.update(workflow.definition.encode())
    for job in sorted(reachable(workflow.main_job), key=lambda found: found.name):
        digest.update(f"{job.name} {job.retry} {job.timeout}\n{_source(job.function)}".encode())
    return digest.hexdigest()


def reachable(job: Job[Any, Any]) -> set[Job[Any, Any]]:
    """A job and all jobs that its code names, directly or through other functions of the same file."""
    found: set[Job[Any, Any]] = set()
    waiting: list[Job[Any, Any]] = [job]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        waiting += one.deps
        waiting += [value for value in _named(one.function) if isinstance(value, Job)]
    return found


def _named(function: Callable[..., Any], depth: int = 3) -> Iterator[Any]:
    """The global values that a function's code names; those of plain functions beside it too."""
    code = getattr(function, "__code__", None)
    if code is None:
        return
    space = getattr(function, "__globals__", {})
    closure = inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}
    for name in {name for part in _codes(code) for name in part.co_names} | closure.keys():
        value = closure.get(name, space.get(name))
        yield value
        if inspect.isfunction(value) and value.__globals__ is space and depth:
            yield from _named(value, depth - 1)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):  # made at a prompt
        code = getattr(function, "__code__", None)
        return "" if code is None else code.co_code.hex()
