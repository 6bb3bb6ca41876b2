from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.triggers.webhook.body import BadBody, media_type, read_body, read_json

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), inner, max_size=5
        )
    ),
    max_leaves=30,
)


@given(JSON_VALUES, st.booleans())
def test_ordinary_json_reads_as_python_reads_it(value: object, ascii_only: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=80))
def test_no_body_raises_anything_but_bad_body(body: bytes) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", None):
        with contextlib.suppress(BadBody):
            read_body(kind, body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "line 1, column 2"),
        (b"", "not JSON"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"[1e999]", "too large"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "twice"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": "x\\u0000y"}', "NUL"),
        (b'{"a": "\xff"}', "UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[" * 100_000, "64 levels"),
        (b"[" * 65 + b"]" * 65, "64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "64 levels"),
        (b"[" + b"1," * 100_001 + b"1]", "100000 values"),
        (b"[" + b"9" * 4_301 + b"]", "4300 digits"),
        (json.dumps({str(number): 1 for number in range(10_001)}).encode(), "10000 keys"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(BadBody, match=said):
        read_json(body)


def test_the_limits_themselves_are_taken() -> None:
    assert read_json(b"[" * 64 + b"]" * 64) == json.loads("[" * 64 + "]" * 64)
    assert read_json(b"[" + b"9" * 4_300 + b"]")[0] > 10**4_298
    assert len(read_json(b"[" + b"1," * 99_000 + b"1]")) == 99_001
    assert (
        read_json(b'["\\ud83d\\ude00", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]')[0]
        == "😀"
    )


def test_errors_echo_nothing_of_the_body() -> None:
    with pytest.raises(BadBody) as caught:
        read_json(b'{"password": hunter2}')
    assert "hunter2" not in str(caught.value)


def test_a_form_is_an_object_of_its_fields() -> None:
    body = read_body("application/x-www-form-urlencoded", b"a=1&b=x+y&a=%C3%A9&c=")
    assert body.value == {"a": ["1", "é"], "b": "x y", "c": ""}
    assert not body.is_json


def test_a_form_that_is_only_a_payload_is_the_json_in_it() -> None:
    form = "application/x-www-form-urlencoded"
    assert read_body(form, b"payload=%7B%22zen%22%3A1%7D").value == {"zen": 1}
    assert read_body(form, b"payload=x&other=1").value == {"payload": "x", "other": "1"}
    with pytest.raises(BadBody):
        read_body(form, b"payload=notjson")


def test_forms_have_limits_too() -> None:
    form = "application/x-www-form-urlencoded"
    for body in (b"a=%00", b"a=%ff", b"&".join([b"a=1"] * 1_001), "a=é".encode()):
        with pytest.raises(BadBody):
            read_body(form, body)


def test_other_types_are_texts_and_no_type_is_json_when_it_reads_as_json() -> None:
    assert read_body("text/plain", b'{"a": 1}').value == '{"a": 1}'
    assert read_body(None, b'{"a": 1}').value == {"a": 1}
    assert read_body(None, b"{'a': 1}").value == "{'a': 1}"
    assert read_body("application/json", b"").value is None
    assert read_body("application/cloudevents+json", b"[1]").value == [1]
    with pytest.raises(BadBody):
        read_body("text/plain", b"\xff")


@pytest.mark.parametrize("value", [b"application/json", b"Application/JSON; charset=utf-16", b" application/json ;x"])
def test_only_the_media_type_counts(value: bytes) -> None:
    assert media_type(value) == "application/json"
