"""Inputs and outputs: what code sees is the same live and on replay, and what JSON cannot hold is refused with its path."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Required, TypedDict
from uuid import UUID

import pytest
from kit import Bench
from pydantic import BaseModel

from hub import job, workflow
from hub.model.execution import Status


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Line(BaseModel):
    price: Decimal
    at: datetime


@dataclass
class Order:
    id: UUID
    lines: list[Line]
    colour: Colour = Colour.RED
    tags: set[str] = field(default_factory=set)


class Receipt(TypedDict):
    order: Order
    raw: bytes


class Basket(TypedDict, total=False):
    receipts: Required[list[Receipt]]
    note: str | None
    first: Receipt | None


MOMENT = datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC)
ORDER = Order(UUID(int=5), [Line(price=Decimal("1.10"), at=MOMENT)], tags={"a", "b"})

VALUES: list[tuple[Any, Any]] = [
    (Line, ORDER.lines[0]),
    (Order, ORDER),
    (Receipt, {"order": ORDER, "raw": b"\x00 plain"}),
    (Basket, {"receipts": [{"order": ORDER, "raw": b""}], "first": None}),
    (list[Receipt | None], [None, {"order": ORDER, "raw": b""}]),
    (Annotated[dict[str, Receipt], "note"], {"a": {"order": ORDER, "raw": b""}}),
    (datetime, MOMENT),
    (date, MOMENT.date()),
    (timedelta, timedelta(milliseconds=1500)),
    (Decimal, Decimal("0.10")),
    (UUID, UUID(int=1)),
    (bytes, b"\x00\xfe"),
    (Colour, Colour.RED),
    (Level, Level.HIGH),
    (tuple[int, str], (1, "a")),
    (frozenset[int], frozenset({1})),
    (dict[UUID, list[Line]], {UUID(int=2): ORDER.lines}),
    (Line | None, ORDER.lines[0]),
    (list[Order], [ORDER, ORDER]),
    (float, 0.1),
    (int, 2**70),
    (str, "\x00 ü 😀 \u2028"),
]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda found: getattr(found, "__name__", None))
def test_values_keep_their_types_live_and_on_replay(tell, kind, value):
    seen: list = []
    tries: list = []

    def echo(input):
        seen.append(input)
        return input

    echo.__annotations__ = {"input": kind, "return": kind}
    echo_job = job(echo)

    @job
    async def stop() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("again")

    @job(name="main-job")
    async def main() -> None:
        seen.append(await echo_job.trigger(value))
        await stop.trigger()

    async def story(bench: Bench) -> None:
        record = await bench.run("echoing")
        await bench.store.resume(record.id)
        await bench.work()
        assert (await bench.record(record.id)).status is Status.SUCCESS
        assert seen == [value] * 3, "as input, as output, on replay"
        assert all(type(found) is type(value) for found in seen)

    tell(story, workflow("echoing", main))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"items": [{}, {"at": {1}}]}, "$.items[1].at: set is not JSON"),
        ([float("nan")], "$[0]: nan is not JSON"),
        ({1: "a"}, "$: the key 1 is int, not a string"),
        ({"x": "\ud800"}, "$.x: a lone surrogate is not Unicode text"),
        (object(), "$: object is not JSON"),
    ],
)
@pytest.mark.parametrize("side", ["output", "input"])
def test_what_json_cannot_hold_is_named_with_its_path(tell, value, message, side):
    @job
    async def give(input: Any) -> Any:
        return value

    @job(name="main-job")
    async def main() -> None:
        await give.trigger(1 if side == "output" else value)

    async def story(bench: Bench) -> None:
        record = await bench.run("giving")
        assert record.status is Status.FAILED
        assert (record.error["type"], record.error["message"]) == ("NotJson", message)

    tell(story, workflow("giving", main))


def test_arguments_and_results_that_an_annotation_refuses(tell):
    @job
    async def take(input: Line) -> Line:
        return {"price": "much", "at": MOMENT}  # type: ignore[return-value]

    @job
    async def wrong_input() -> None:
        await take.trigger({"price": "1", "at": "soon"})

    @job
    async def wrong_output() -> None:
        await take.trigger({"price": "1", "at": MOMENT})

    async def story(bench: Bench) -> None:
        for name, place in (("wrong-input", "$.at: "), ("wrong-output", "$.price: ")):
            record = await bench.run(name)
            assert record.error["type"] == "InvalidArguments"
            assert record.error["message"].startswith(place)

    tell(story, workflow("wrong-input", wrong_input), workflow("wrong-output", wrong_output))


@pytest.mark.parametrize(("side", "most"), [("arguments", 1_048_576), ("result", 16_777_216)])
def test_what_is_too_large_is_refused_in_numbers(tell, side, most):
    @job
    async def give(input: str) -> str:
        return "x" * (most + 1)

    @job(name="main-job")
    async def main() -> None:
        await give.trigger("x" * (most + 1) if side == "arguments" else "")

    async def story(bench: Bench) -> None:
        record = await bench.run("large")
        assert record.status is Status.FAILED
        assert side in record.error["message"]
        assert f"{most + 3:,} characters of JSON; at most {most:,}" in record.error["message"]

    tell(story, workflow("large", main))
