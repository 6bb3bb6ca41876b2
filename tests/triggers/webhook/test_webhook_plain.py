from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.triggers.webhook.body import MOST_DEPTH, BadBody, read_carefully, read_json
from hub.triggers.webhook.plain import read_plain

PUSH = (
    '{"ref":"refs/heads/main","before":null,"size":2,"ratio":0.25,"forced":false,"repository":{"id":1296269,'
    '"full_name":"octocat/Hällo-World","topics":[]},"commits":[{"id":"7fd1a60b01f91b314f59955a4e4d4e80d8edf11d","added":["a.md"],'
    '"author":{"name":"octocat"}},{"id":"e83c5163316f89bfbde7d9ab23ca2e25604af290","message":"Infinity, or NaN: {[{["}]}'
).encode()

SPELLINGS = (
    "0 -0 -0.0 0.0 1 -1 01 -01 1. .5 +1 - 1e5 1E5 1e+5 1e-5 1.0e5 1e22 1e23 1e16 100000000000000000.0 0.1 0.30000000000000004 "
    "5e-324 2e-324 1e-400 1.7976931348623157e308 1.7976931348623159e308 -1.7976931348623159e308 1e308 1e309 1e999 -1e999 "
    "9007199254740993 9007199254740993.0 123456789012345678901234567890 18446744073709551616 1_0 0x10 1e 1e+ NaN Infinity -Infinity "
    "nan inf null true false nul True tru"
)
NUMBERS = [
    *SPELLINGS.split(),
    "9" * 400 + ".0",
    "1" + "0" * 308 + ".5",
    "9" * 308,
    "9" * 4_300,
    "9" * 4_301,
    "0." + "0" * 400 + "1",
]
TEXTS = [
    *("", "a", "Infinity", "NaN", "ü", "\U0001f600", "\u2028", "\x7f", "a:b", "{[", '": ', "<&>"),
    *(
        "\\n",
        "\\/",
        '\\"',
        "\\u0041",
        "\\u00e9",
        "\\u0000",
        "\\ud800",
        "\\udc00",
        "\\ud83d\\ude00",
        "\\U0041",
        "\\x",
        "\\",
    ),
    *("\t", "\n", "\0", "\x1f", "\ufeff", "\udcff"),
]
SPACES = st.sampled_from(["", "", "", "", "", " ", "\n", "\r", "\t", "\f", "\v", "\xa0", "\ufeff", "\0"])


def joined(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*[st.just(part) if isinstance(part, str) else part for part in parts]).map("".join)


STRINGS = (st.sampled_from(TEXTS) | st.text(max_size=8)).map('"{}"'.format)
KEYS = st.sampled_from(['"a"', '"b"', '""', '"\\u0061"', "1", "a"]) | STRINGS
SCALARS = (
    st.sampled_from(NUMBERS)
    | st.integers().map(str)
    | st.floats().map(repr)
    | st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
    | STRINGS
)


def _around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(joined(KEYS, SPACES, ":", SPACES, inner), max_size=4)
    between = st.sampled_from([",", ",", ",", ", ", ",\n", " ,", ",,"])
    return st.one_of(
        joined("{", st.tuples(between, pairs).map(lambda made: made[0].join(made[1])), SPACES, "}"),
        joined("[", st.tuples(between, st.lists(inner, max_size=4)).map(lambda made: made[0].join(made[1])), "]"),
    )


#: Texts of which most are JSON, or nearly.
DOCUMENTS = joined(SPACES, st.recursive(SCALARS, _around, max_leaves=12), SPACES)


def said(read: Callable[[bytes], object], body: bytes) -> str:
    """The value with the types of its parts and every bit of its numbers, or the refusal."""
    try:
        return repr(read(body))
    except BadBody as refusal:
        return f"refused: {refusal}"
    except ValueError as error:  # an integer with so many digits that Python does not show it
        return type(error).__name__


@given(DOCUMENTS)
def test_both_ways_say_the_same_of_what_is_nearly_json(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    assert said(read_json, body) == said(read_carefully, body)


@given(st.data())
def test_both_ways_say_the_same_of_a_body_that_was_changed_somewhere(data: st.DataObject) -> None:
    body = PUSH
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = start + data.draw(st.integers(0, 12))
        piece = data.draw(
            st.binary(max_size=4)
            | st.sampled_from(
                [b'"ref":1,', b'"id":1,', b'"added":[],', b"1e999", b"[1e999]", b'"', b"\\", b"}", b"{", b" "]
            )
        )
        body = body[:start] + piece + body[end:]
    assert said(read_json, body) == said(read_carefully, body)


@pytest.mark.parametrize("number", NUMBERS)
def test_both_ways_say_the_same_of_every_kind_of_number(number: str) -> None:
    for body in (
        number,
        f"[{number}]",
        f'{{"a":{number}}}',
        f'{{"a":1,"a":{number}}}',
        f'{{"a":{number},"b":"Infinity"}}',
    ):
        assert said(read_json, body.encode()) == said(read_carefully, body.encode())


@given(st.integers(1, 70), st.integers(1, 70), st.booleans())
def test_both_ways_say_the_same_of_depth(lists: int, objects: int, closed: bool) -> None:
    body = (b"[" * lists + b'{"a":' * objects + b"1" + b"}" * objects + b"]" * lists)[: None if closed else -1]
    assert said(read_json, body) == said(read_carefully, body)


def test_what_most_senders_send_is_read_the_quick_way() -> None:
    assert read_plain(PUSH, MOST_DEPTH) == (json.loads(PUSH),)
    assert read_plain(rb'{"text":"C:\temp\r\n\"\b\f\t"}', MOST_DEPTH) == ({"text": 'C:\temp\r\n"\b\f\t'},)
    assert read_plain(b"null", MOST_DEPTH) == (None,)
    assert read_plain(b"[" * 64 + b"]" * 64, MOST_DEPTH) is not None


@pytest.mark.parametrize(
    "body",
    [
        PUSH.replace(b'"size":2', b'"size":2,"ref":"refs/heads/main"'),
        PUSH.replace(b"0.25", b"1e999"),
        b'{"a":{"b":1,"b":"Infinity"}}',
        b'{"a":1,"a":1e999}',
        b"NaN",
        b"[-Infinity]",
        b"-0",
        b"[" * 65 + b"]" * 65,
        b"[" * 1_000,
        b'["\xff"]',
        b'["\xed\xa0\x80"]',
        b'["\x00"]',
        b'["\\u0000"]',
        b'["\\u001f"]',
        b'["\\/"]',
        b"\xef\xbb\xbf[]",
        b"[]]",
        b"",
    ],
)
def test_what_is_not_plain_is_left_to_the_careful_reader(body: bytes) -> None:
    assert read_plain(body, MOST_DEPTH) is None
