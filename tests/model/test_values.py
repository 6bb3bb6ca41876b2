"""What JSON cannot hold is said with its path, and what it can comes back with its type."""

import typing

import pytest

from hub.model.errors import InvalidArguments, NotJson
from hub.model.values import Shape, canonical


class Node(typing.TypedDict):
    name: str
    parts: typing.NotRequired[list["Node"]]


class Blob(typing.TypedDict):
    data: bytes


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": [1, {"b": {1, 2}}]}, r"\$\.a\[1\]\.b: set is not JSON"),
        ([1.0, float("nan")], r"\$\[1\]: nan is not JSON"),
        ({"t": "\ud800"}, r"\$\.t: a lone surrogate"),
        pytest.param(10**5000, r"\$: it cannot be written as JSON", id="5001 digits"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_path(value, said):
    with pytest.raises(NotJson, match=said):
        canonical(value)


def test_an_integer_key_that_json_would_turn_into_text_is_not_taken():
    with pytest.raises(NotJson, match=r"\$\.a: the key 1 is int, not a string"):
        Shape().dump({"a": {1: "x"}})


def test_a_typed_dict_may_hold_itself():
    given = {"name": "a", "parts": [{"name": "b"}]}
    assert Shape(Node).dump(given) == ('{"name":"a","parts":[{"name":"b"}]}', given)
    with pytest.raises(InvalidArguments, match=r"\$\.parts\[0\]\.name"):
        Shape(Node).dump({"name": "a", "parts": [{}]})


def test_bytes_that_are_no_text_are_refused_or_come_back_the_same():
    assert Shape(bytes).dump(b"\xff\x00")[1] == b"\xff\x00"
    assert Shape(Blob).dump({"data": b"\xff\x00"})[1] == {"data": b"\xff\x00"}


@pytest.mark.parametrize(
    ("kind", "wrong", "said"), [(dict, [1], "dictionary"), (list, {"a": 1}, "list"), (list, "ab", "list")]
)
def test_a_bare_dict_or_list_is_one(kind, wrong, said):
    with pytest.raises(InvalidArguments, match=rf"\$: Input should be a valid {said}"):
        Shape(kind).dump(wrong)
    assert Shape(dict).dump({"a": (1,)}) == ('{"a":[1]}', {"a": [1]})
    assert Shape(list).dump((1, {"a": 2})) == ('[1,{"a":2}]', [1, {"a": 2}])
