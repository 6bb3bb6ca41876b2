"""Whatever a type can hold comes back equal and of equal types, or is refused with its place: property tests."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NotRequired, Required, TypedDict, TypeVar, Union
from uuid import UUID

import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from hub.model.errors import InvalidArguments
from hub.model.values import Shape

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 3


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Model(BaseModel, Generic[T]):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    value: T
    more: list[T] = []


@dataclasses.dataclass
class Data(Generic[T]):
    value: T
    at: date = date(2026, 1, 1)


class Named(NamedTuple):
    number: int
    raw: bytes


class Dict(typing_extensions.TypedDict):  # pydantic's models take no other before Python 3.12
    on: date
    raw: NotRequired[bytes]


class OfTyping(TypedDict, total=False):
    on: Required[date]
    raw: bytes
    name: NotRequired[str]


_offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))

LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (str, st.text(st.characters(codec="utf-8"))),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (type(None), st.none()),
    (bytes, st.binary()),
    (datetime, st.datetimes(timezones=st.none() | _offsets)),
    (date, st.dates()),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Access, st.sampled_from([Access.READ, Access.WRITE, Access.READ | Access.WRITE])),
    (Literal["a", 1], st.sampled_from(["a", 1])),
    (Named, st.builds(Named, st.integers(), st.binary())),
    (Dict, st.fixed_dictionaries({"on": st.dates()}, optional={"raw": st.binary()})),
]
KEYS = [
    leaf for leaf in LEAVES if leaf[0] in (int, str, bool, bytes, datetime, date, time, Decimal, UUID, Colour, Level)
]
HASHABLE = [leaf for leaf in LEAVES if leaf[0] is not Dict]


def _pairs(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Types of types, each with a strategy of its values."""

    def one(pair: tuple[Any, st.SearchStrategy[Any]]) -> list[tuple[Any, st.SearchStrategy[Any]]]:
        kind, values = pair
        model, data = Model[kind], Data[kind]
        return [
            (list[kind], st.lists(values, max_size=3)),
            (tuple[kind, ...], st.lists(values, max_size=3).map(tuple)),
            (tuple[int, kind], st.tuples(st.integers(), values)),
            (dict[str, kind], st.dictionaries(st.text(st.characters(codec="utf-8")), values, max_size=3)),
            (kind | None, st.none() | values),
            (model, values.map(lambda value: model(value=value, more=[value]))),
            (data, values.map(lambda value: Data(value=value))),
        ]

    return inner.flatmap(lambda pair: st.sampled_from(one(pair)))


TYPES = st.recursive(
    st.sampled_from(LEAVES)
    | st.sampled_from(HASHABLE).map(lambda leaf: (set[leaf[0]], st.sets(leaf[1], max_size=3)))
    | st.sampled_from(HASHABLE).map(lambda leaf: (frozenset[leaf[0]], st.frozensets(leaf[1], max_size=3)))
    | st.tuples(st.sampled_from(KEYS), st.sampled_from(LEAVES)).map(
        lambda both: (dict[both[0][0], both[1][0]], st.dictionaries(both[0][1], both[1][1], max_size=3))
    ),
    _pairs,
    max_leaves=4,
)


def plainly(value: Any) -> Any:
    """A value with its types written out, so that 1, True and 1.0 are three things."""
    kind = type(value).__name__
    if isinstance(value, BaseModel):
        return kind, [(name, plainly(part)) for name, part in value.__dict__.items()]
    if dataclasses.is_dataclass(value):
        return kind, [(field.name, plainly(getattr(value, field.name))) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        return kind, {plainly(key): plainly(part) for key, part in value.items()}
    if isinstance(value, set | frozenset):
        return kind, {plainly(part) for part in value}
    if isinstance(value, tuple):
        return kind, tuple(plainly(part) for part in value)
    if isinstance(value, list):
        return kind, [plainly(part) for part in value]
    if isinstance(value, datetime):
        return kind, value, None if value.tzinfo is None else value.utcoffset()
    return kind, value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_value_of_every_type_comes_back_as_it_was(data: st.DataObject) -> None:
    kind, values = data.draw(TYPES)
    shape = Shape(kind)
    value = data.draw(values)
    text, live = shape.dump(value)
    replayed = shape.load(text)
    assert plainly(live) == plainly(replayed)
    assert plainly(replayed) == plainly(value), text


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(LEAVES), st.sampled_from(LEAVES), st.data())
def test_a_union_gives_back_what_it_was_given_or_refuses(
    one: tuple[Any, Any], other: tuple[Any, Any], data: st.DataObject
) -> None:
    shape = Shape(Union[one[0], other[0]])  # noqa: UP007 - a Literal and a TypedDict have no |
    value = data.draw(one[1] | other[1])
    with contextlib.suppress(InvalidArguments):
        text, live = shape.dump(value)
        assert plainly(shape.load(text)) == plainly(live)
        assert live == value


class Item(BaseModel):
    either: UUID | str
    tags: list[int] | set[int] = []


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (
            list[Item],
            [Item(either="x"), Item(either=str(UUID(int=1)))],
            r"\$\[1\]\.either: str comes back from JSON as UUID",
        ),
        (Item, Item(either="x", tags={1}), r"\$\.tags: set comes back from JSON as list"),
        (Colour | str, Colour.RED, r"\$: Colour comes back from JSON as str"),
        (dict[str, bytes | str], {"a": "abcd"}, r"\$\.a: str comes back from JSON as bytes"),
        (SecretStr, SecretStr("canary"), r"\$: SecretStr comes back from JSON as another one"),
        (list[Any], [{"at": {1}}], r"\$\[0\]\.at: "),
    ],
)
def test_what_would_come_back_as_something_else_is_refused_with_its_place(kind: Any, value: Any, said: str) -> None:
    with pytest.raises(Exception, match=said) as refused:
        Shape(kind).dump(value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("value", [{"on": date(2026, 1, 1)}, {"on": date(2026, 1, 1), "raw": b"\xff", "name": "a"}])
def test_keys_of_a_typed_dict_that_may_be_missing(value: Any) -> None:
    """Its annotations are texts here."""
    assert Shape(OfTyping).dump(value)[1] == value
    with pytest.raises(InvalidArguments, match=r"\$\.on: Field required"):
        Shape(OfTyping).dump({})


class Hidden(BaseModel):
    name: str
    more: str = Field(default="", exclude=True)


def test_a_field_that_is_not_written_is_refused_where_it_holds_something() -> None:
    assert Shape(Hidden).dump(Hidden(name="a"))[1] == Hidden(name="a")
    with pytest.raises(InvalidArguments, match=r"\$\.more: str comes back from JSON as another one"):
        Shape(Hidden).dump(Hidden(name="a", more="b"))


class Blob(BaseModel):
    raw: bytes


def test_bytes_in_a_model_that_writes_text_are_advised() -> None:
    assert Shape(Blob).dump(Blob(raw="ä".encode()))[1] == Blob(raw="ä".encode())
    with pytest.raises(InvalidArguments, match="model_config = ConfigDict"):
        Shape(Blob).dump(Blob(raw=b"\xff"))
