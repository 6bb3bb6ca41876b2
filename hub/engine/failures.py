"""Errors of jobs, the same live and after a restart.

A caller catches `JobFailed`, or the type that the job raised: `except ValueError` works in both cases, because what is
raised is a class that is both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from hub.model.errors import JobFailed
from hub.model.execution import ExecutionRecord
from hub.model.values import canonical

_MOST_MESSAGE = 10_000


def describe(error: BaseException, job: str, path: str) -> dict[str, Any]:
    """What the store keeps of an exception: {type, message, job, path, class}."""
    if isinstance(error, JobFailed) and error.path:
        return {**error.as_json(), "path": error.path, "class": getattr(error, "origin", "")}
    kind = type(error)
    return {
        "type": error.type if isinstance(error, JobFailed) else kind.__name__,
        "message": _message(error.message if isinstance(error, JobFailed) else error),
        "job": job,
        "path": path,
        "class": f"{kind.__module__}:{kind.__qualname__}",
    }


def dump(description: dict[str, Any]) -> str:
    return json.dumps(description, ensure_ascii=True)


def rebuild(text: str, call: str) -> JobFailed:
    """The exception of a stored description, as the call at the path `call` raises it."""
    found = json.loads(text)
    origin = found.get("class", "")
    error = _empty(_loaded(origin))
    error.type, error.message, error.job, error.path = found["type"], found["message"], found["job"], found["path"]
    # Not the class's own __init__: that wants the arguments of which nobody knows any more.
    Exception.__init__(error, error.message)
    vars(error).update(origin=origin, call=call)
    return error


def of_execution(record: ExecutionRecord) -> JobFailed:
    """What whoever waits for an execution is told when it has failed or was cancelled."""
    if record.error is None:
        return JobFailed("ExecutionCanceled", f"execution {record.id} was canceled")
    return rebuild(canonical(record.error), record.error.get("path", ""))


def calls_behind(error: BaseException) -> Iterator[str]:
    """The paths of the failed calls whose error this is, or was raised `from`."""
    seen: set[int] = set()
    behind: BaseException | None = error
    while behind is not None and id(behind) not in seen:
        seen.add(id(behind))
        if isinstance(behind, JobFailed) and hasattr(behind, "call"):
            yield behind.call
        behind = behind.__cause__


def _loaded(origin: str) -> type[Exception]:
    """The class that a description names, if it is loaded."""
    module_name, _, qualified = origin.partition(":")
    found: Any = sys.modules.get(module_name)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else JobFailed


def _empty(found: type[Exception]) -> JobFailed:
    try:
        kind = _failure_class(found)  # type: ignore[arg-type]  # classes are hashable
    except TypeError:  # layouts that do not mix
        return JobFailed.__new__(JobFailed)
    for new in (kind.__new__, Exception.__new__):
        try:
            return new(kind)
        except Exception:  # noqa: BLE001, S112 - a class with ideas of its own
            continue
    return JobFailed.__new__(JobFailed)


@lru_cache(maxsize=1024)
def _failure_class(found: type[Exception]) -> type[JobFailed]:
    """JobFailed and the original type in one. Known by the class, not its name: a file may be loaded anew."""
    if issubclass(found, JobFailed):
        return found
    return type(found.__name__, (JobFailed, found), {"__module__": found.__module__})


def _message(error: object) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of a user whose text cannot be made
        text = f"({type(error).__name__} without a text)"
    # Lone surrogates cannot be stored.
    return text.encode(errors="replace").decode()[:_MOST_MESSAGE]
