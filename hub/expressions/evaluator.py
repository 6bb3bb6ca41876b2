"""Requests in, results out: what is sent to the child, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.expressions import wire
from hub.expressions.lane import CRASHED, TOO_SLOW, Lane
from hub.expressions.process import Limits
from hub.expressions.request import Evaluated, Request
from hub.expressions.sources import Source, advice, sources, unusable
from hub.expressions.templates import UNDEFINED, Detour, Unclosed, fill
from hub.model.errors import ExpressionError

#: Deeper values are refused: every part of the hub that reads them later has such a limit.
_MOST_DEPTH = 200
_MOST_INPUT = 16 * 1024 * 1024
_MOST_SUSPECTS = 1000

_MOST_EXACT = 2**53


def _whole(text: str) -> int:
    """JavaScript writes whole numbers beyond 2^53 with zeros for the digits that it rounds; this is the number itself."""
    number = int(text)
    if -_MOST_EXACT <= number <= _MOST_EXACT:
        return number
    try:
        return int(float(number))
    except OverflowError:
        raise ValueError("a number is too large") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_int=_whole, parse_constant=_refuse_constant).decode


@dataclass(frozen=True, slots=True)
class _Prepared:
    request: Request
    sources: tuple[Source, ...]
    frame: bytes

    @property
    def program(self) -> tuple[str, ...]:
        return tuple(source.text for source in self.sources)


class Evaluator:
    """Evaluates the expressions of deliveries, each request in a fresh engine, in a process of their own.

    An expression that went over its time is a suspect from then on and is evaluated in a second process, where it
    delays other suspects only.
    """

    def __init__(self, *, deadline: float = 1.0, memory_mb: int = 64) -> None:
        """`deadline`: seconds on the wall for one request. Nothing is started yet."""
        self._limits = Limits(deadline, memory_mb)
        self._trusted = Lane(self._limits)
        self._suspected = Lane(self._limits)
        self._suspects: dict[tuple[str, ...], None] = {}

    def start(self) -> None:
        """Start the process ahead of need; the first evaluation then does not wait for it. Raises CannotEvaluate."""
        self._trusted.start()

    async def evaluate(self, requests: Sequence[Request]) -> list[Evaluated]:
        """A result for each request, in order; the whole batch goes out at once.

        What is wrong with an expression, its value or its scope is in the result's `error`. Raises CannotEvaluate
        (retryable) only when the process itself cannot be started.
        """
        results: list[Evaluated | None] = [None] * len(requests)
        lanes: dict[Lane, list[tuple[int, _Prepared]]] = {}
        for index, request in enumerate(requests):
            prepared = _prepare(request)
            if isinstance(prepared, Evaluated):
                results[index] = prepared
            else:
                lane = self._suspected if prepared.program in self._suspects else self._trusted
                lanes.setdefault(lane, []).append((index, prepared))
        batches = [self._run(lane, batch, results) for lane, batch in lanes.items()]
        if len(batches) == 1:
            await batches[0]
        else:
            await asyncio.gather(*batches)
        return [result for result in results if result is not None]

    async def close(self) -> None:
        """End the processes. Evaluating again starts them again."""
        self._trusted.stop()
        self._suspected.stop()

    async def _run(self, lane: Lane, batch: list[tuple[int, _Prepared]], results: list[Evaluated | None]) -> None:
        answers = await lane.ask([prepared.frame for _, prepared in batch])
        for (index, prepared), answer in zip(batch, answers, strict=True):
            if answer in (TOO_SLOW, CRASHED) or _INTERRUPTED in answer:
                self._suspect(prepared.program)
            results[index] = _read(prepared, answer, self._limits)

    def _suspect(self, program: tuple[str, ...]) -> None:
        self._suspects[program] = None
        if len(self._suspects) > _MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]


def _prepare(request: Request) -> _Prepared | Evaluated:
    """A request ready to be sent, or the result at once where nothing has to be evaluated."""
    try:
        found = sources(request.condition, request.variables)
    except Unclosed as error:
        return _failed("variables", str(error), error.line, error.column)
    for source in found:
        if (reason := unusable(source.text)) is not None:
            return _failed(source.name, reason)
    if not found:
        return Evaluated(matched=True, variables=fill(request.variables or {}, iter(())))
    try:
        frame = wire.evaluation(request.scope, "".join([source.kind for source in found]), [s.text for s in found])
    except (TypeError, ValueError, RecursionError) as error:
        return _failed(found[0].name, f"what it would see is not JSON: {error}")
    if len(frame) > _MOST_INPUT:
        return _failed(found[0].name, f"what it would see is larger than {_MOST_INPUT >> 20} MiB")
    return _Prepared(request, found, frame)


_INTERRUPTED = b"InternalError: interrupted"
_OUT_OF_MEMORY = "InternalError: out of memory"


def _read(prepared: _Prepared, answer: bytes, limits: Limits) -> Evaluated:
    if answer in (TOO_SLOW, CRASHED):
        which = " or ".join(dict.fromkeys(source.name for source in prepared.sources))
        return _failed(which, _slow(limits) if answer == TOO_SLOW else "it brought down the process that evaluates it")
    if answer[:1] == b"!":
        return _explain(prepared, *json.loads(answer[1:]), limits=limits)
    try:
        matched, condition_value, values = _unpacked(answer, prepared)
        if not matched:
            return Evaluated(matched=False, condition_value=condition_value)
        variables = _variables(prepared.request.variables, values)
    except _NotUsable as error:
        return _failed("variables", str(error))
    except Detour as error:
        return _failed("variables", str(error))
    except RecursionError:
        return _failed("variables", _TOO_DEEP)
    if b"\\ud" in answer and not _is_unicode(variables):
        return _failed("variables", "the result holds half of a surrogate pair, which is not Unicode text")
    return Evaluated(matched=True, variables=variables, condition_value=condition_value)


def _unpacked(answer: bytes, prepared: _Prepared) -> tuple[bool, Any, list[list[Any]]]:
    """Raises _NotUsable for anything but an answer: an expression can change how its own values become JSON."""
    expected = sum(source.kind != "c" for source in prepared.sources)
    try:
        (_, matched, condition_value), values = _decode(answer[1:].decode())
        whole = matched is False or [len(value) <= 1 for value in values] == [True] * expected
    except (ValueError, TypeError):
        whole = False
    if not whole:
        raise _NotUsable("the result is not JSON: was toJSON of all objects changed?")
    return matched is True, condition_value, values


def _explain(prepared: _Prepared, which: int, line: int, column: int, message: str, *, limits: Limits) -> Evaluated:
    source = prepared.sources[which]
    if message == _INTERRUPTED.decode():
        message = _slow(limits)
    elif message == _OUT_OF_MEMORY:
        message = f"it needed more than {limits.memory_mb} MB of memory"
    elif message.startswith("SyntaxError"):
        message += advice(source.text)
    return _failed(source.name, message, *source.place(line, column))


def _slow(limits: Limits) -> str:
    return f"it took longer than {limits.deadline:g} s and was stopped"


class _NotUsable(Exception):
    """Why a result cannot be the variables."""


_TOO_DEEP = f"the result is nested deeper than {_MOST_DEPTH} levels"


def _variables(template: str | Mapping[str, Any] | None, values: list[list[Any]]) -> Any:
    """What the values of the expressions make of `variables`. Raises _NotUsable or RecursionError."""
    if isinstance(template, str):
        value = values[0][0] if values[0] else None
        if isinstance(value, str):
            value = _from_text(value)
    else:
        value = fill(template, _each(values)) if template else {}
    if value is None or value is UNDEFINED:
        return {}
    if _is_deep(value):
        raise _NotUsable(_TOO_DEEP)
    return value


def _each(values: list[list[Any]]) -> Iterator[Any]:
    for value in values:
        yield value[0] if value else UNDEFINED


def _from_text(text: str) -> Any:
    try:
        return _decode(text)
    except ValueError as error:
        raise _NotUsable(
            f"the result is a string, which is read as JSON text, and it is not JSON ({error}). "
            "For an object write ({ name: value }); for a text on its own, JSON.stringify(text)."
        ) from None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MOST_DEPTH):
        level = [
            item
            for outer in level
            if outer.__class__ in _CONTAINERS
            for item in (outer.values() if outer.__class__ is dict else outer)
            if item.__class__ in _CONTAINERS
        ]
        if not level:
            return False
    return True


_CONTAINERS = (dict, list)


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _failed(name: str, message: str, line: int | None = None, column: int | None = None) -> Evaluated:
    where = f", line {line}, column {column}" if line else ""
    return Evaluated(
        matched=False, error=ExpressionError(f"{name}{where}: {message}", line=line or None, column=column or None)
    )
