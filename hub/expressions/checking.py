"""Syntax errors before anything happens: expressions are compiled in a child of their own and never run."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from hub.expressions import wire
from hub.expressions.process import Child, Limits
from hub.expressions.sources import advice, placed, unusable
from hub.expressions.templates import OPENING, Path, Piece, Unclosed, split
from hub.model.errors import ExpressionError

_LIMITS = Limits()
_SECONDS = 5.0
_one_at_a_time = threading.Lock()
_children: list[Child] = []


def check_expression(text: str) -> ExpressionError | None:
    """What is wrong with an expression, with line and column in it; None when it compiles. Raises CannotEvaluate."""
    return _faults([text])[0]


def check_variables(variables: str | Mapping[str, Any] | None) -> list[tuple[Path, ExpressionError]]:
    """Every fault in `variables` with its path (`()` for an expression); line and column count in that string.

    Raises CannotEvaluate.
    """
    if isinstance(variables, str):
        fault = check_expression(variables)
        return [] if fault is None else [((), fault)]
    found: list[tuple[Path, ExpressionError]] = []
    expressions: list[tuple[Path, Piece]] = []
    for path, text in _strings(variables, ()):
        try:
            expressions += [(path, part) for part in split(text) if isinstance(part, Piece)]
        except Unclosed as error:
            found.append((path, error))
    faults = _faults([piece.source for _, piece in expressions])
    for (path, piece), fault in zip(expressions, faults, strict=True):
        if fault is not None:
            found.append((path, _moved(fault, piece)))
    return found


def _strings(value: Any, path: Path) -> list[tuple[Path, str]]:
    if isinstance(value, str):
        return [(path, value)] if OPENING in value else []
    if isinstance(value, Mapping):
        return [found for key, item in value.items() for found in _strings(item, (*path, key))]
    if isinstance(value, list | tuple):
        return [found for index, item in enumerate(value) for found in _strings(item, (*path, index))]
    return []


def _moved(fault: ExpressionError, piece: Piece) -> ExpressionError:
    line, column = placed(piece.source, piece.line, piece.column, fault.line or 0, fault.column or 0)
    return ExpressionError(str(fault), line=line, column=column)


def _faults(texts: Sequence[str]) -> list[ExpressionError | None]:
    faults: list[ExpressionError | None] = []
    compiled: list[str] = []
    for text in texts:
        reason = unusable(text)
        faults.append(None if reason is None else ExpressionError(reason))
        if reason is None:
            compiled.append(text)
    found = iter(_compile(compiled) if compiled else [])
    return [next(found) if fault is None else fault for fault in faults]


def _compile(texts: list[str]) -> list[ExpressionError | None]:
    try:
        answer = _ask(wire.check(texts))
    except (TimeoutError, EOFError):
        if len(texts) > 1:
            return [_compile([text])[0] for text in texts]
        return [ExpressionError("the expression is too complex to be compiled")]
    return [_fault(text, found) for text, found in zip(texts, json.loads(answer[1:]), strict=True)]


_TOO_SHORT = "SyntaxError: the expression ends where more of it has to come"


def _fault(text: str, found: list[Any] | None) -> ExpressionError | None:
    if found is None:
        return None
    line, column = placed(text, 1, 1, found[0], found[1])
    message, hint = found[2], advice(text)
    if not hint and found[0] > text.count("\n") + 1:
        message = _TOO_SHORT  # the engine names the bracket that the hub has put behind it
    return ExpressionError(f"{message}{hint}", line=line, column=column)


def _ask(request: bytes) -> bytes:
    """Asks the one child that is kept for this, because starting one takes longer than compiling."""
    with _one_at_a_time:
        if not _children or not _children[0].alive:
            _children[:] = [Child(_LIMITS)]
        try:
            return _children[0].ask(request, _SECONDS)
        except EOFError:
            # It may have been ended from outside while it was idle.
            _children[:] = [Child(_LIMITS)]
            return _children[0].ask(request, _SECONDS)
