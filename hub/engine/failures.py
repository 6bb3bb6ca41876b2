"""Errors of jobs, the same live and after a restart.

A caller catches `JobFailed`, or the type that the job raised: `except ValueError` works in both cases, because what is
raised is a class that is both.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

from hub.model.errors import JobFailed


def describe(error: BaseException, job: str, path: str) -> dict[str, Any]:
    """What the store keeps of an exception: {type, message, job, path, class}."""
    if isinstance(error, JobFailed) and error.path:
        return {**error.as_json(), "path": error.path, "class": getattr(error, "origin", "")}
    kind = type(error)
    return {
        "type": kind.__name__,
        "message": _message(error),
        "job": job,
        "path": path,
        "class": f"{kind.__module__}:{kind.__qualname__}",
    }


def dump(description: dict[str, Any]) -> str:
    return json.dumps(description, ensure_ascii=True)


def rebuild(text: str) -> JobFailed:
    """The exception of a stored description."""
    found = json.loads(text)
    kind = _failure_class(found.get("class", ""))
    error = kind.__new__(kind)
    JobFailed.__init__(error, found["type"], found["message"], job=found["job"], path=found["path"])
    error.origin = found.get("class", "")  # type: ignore[attr-defined]  # only this module reads it
    return error


@cache
def _failure_class(origin: str) -> type[JobFailed]:
    """JobFailed and the original type in one, where that type is loaded and can be combined."""
    module_name, _, qualified = origin.partition(":")
    found: Any = sys.modules.get(module_name)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, Exception):
        return JobFailed
    if issubclass(found, JobFailed):
        return found
    try:
        return type(found.__name__, (JobFailed, found), {"__str__": _text, "__module__": found.__module__})
    except TypeError:  # two layouts that do not mix
        return JobFailed


def _text(error: JobFailed) -> str:
    return f"{error.type}: {error.message}" if error.message else error.type


def _message(error: BaseException) -> str:
    text = str(error)
    # A KeyError's text is the repr of its key; lone surrogates cannot be stored.
    return text.encode(errors="replace").decode()[:10_000]
