"""A checked document with its references filled in and its types checked again.

`${env:PORT}` may stand where a number belongs. Whether it is one shows only when it is filled in, so the document is held
against its schema a second time, with the texts that were filled in read as YAML would read them where that is what fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.declare import scalars
from hub.declare.checking import Kind, dotted, mismatches
from hub.declare.document import Document, Where
from hub.declare.secrets import Secrets, references, revealed, try_fill
from hub.model.executor import Problem

_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where references are looked up."""

    env: Mapping[str, str]
    secrets: Secrets


@dataclass(frozen=True, slots=True)
class Rules:
    """What one kind of document allows."""

    kind: Kind
    #: Parts that stay as they are written; they are filled in where they are used.
    late: Callable[[Where], bool]
    #: Parts that a secret may go into. Everything else is shown to people.
    may_be_secret: Callable[[Where], bool]


def filled(document: Document, sources: Sources, rules: Rules) -> tuple[Any, list[Problem]]:
    """The value with everything filled in that is not `late`, and the problems of all of it."""
    found = list(references(document.value))
    problems = [
        Problem(
            document.at(where),
            f"{dotted(where)} is shown to people, so it cannot hold a secret; "
            f"use ${{env:{name}}} if its value is not secret",
        )
        for where, kind, name in found
        if kind == "secret" and not rules.may_be_secret(where)
    ]
    complete, missing = try_fill(document.value, sources.env, sources.secrets, at=document.at)
    problems += missing
    places: dict[Where, str] = {}
    for where, kind, name in found:
        places[where] = f"{places[where]} and ${{{kind}:{name}}}" if where in places else f"${{{kind}:{name}}}"
    unfit = _fit(complete, rules.kind, places)
    spoilt = {problem.position for problem in problems}
    for where, expected in unfit.items():
        position = document.at(where)
        if where in places and position not in spoilt:
            message = f"{dotted(where)} must be {expected} with {places[where]} filled in"
            problems.append(Problem(position, message))
    return _keep_late(complete, document.value, (), rules.late), sorted(set(problems))


def _fit(value: Any, kind: Kind, places: Mapping[Where, str]) -> dict[Where, str]:
    """Turn filled-in texts into the numbers and flags that their places need, in `value` itself; say what does not fit."""
    if not places:
        return {}
    for where in mismatches(revealed(value), kind):
        if where and where in places and (read := _read(_get(value, where))) is not _NOTHING:
            _set(value, where, read)
    return mismatches(revealed(value), kind)


def _read(text: Any) -> Any:
    """What YAML would take an unquoted text for, when that is not a text."""
    try:
        value = scalars.plain(revealed(text)) if revealed(text) else _NOTHING
    except (ValueError, TypeError):
        return _NOTHING
    return _NOTHING if isinstance(value, str) or value is None else value


def _keep_late(value: Any, written: Any, where: Where, late: Callable[[Where], bool]) -> Any:
    if late(where):
        return written
    if isinstance(written, dict):
        return {key: _keep_late(value[key], item, (*where, key), late) for key, item in written.items()}
    if isinstance(written, list):
        return [_keep_late(value[index], item, (*where, index), late) for index, item in enumerate(written)]
    return value


def _get(value: Any, where: Where) -> Any:
    for part in where:
        value = value[part]
    return value


def _set(value: Any, where: Where, new: Any) -> None:
    _get(value, where[:-1])[where[-1]] = new
