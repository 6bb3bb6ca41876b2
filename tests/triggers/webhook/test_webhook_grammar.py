from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.triggers.webhook.grammar import read_base64, read_hex, read_moment


@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_hex_reads_what_an_encoder_writes_in_either_case(value: bytes, upper: bool) -> None:
    text = binascii.hexlify(value)
    assert read_hex(text.upper() if upper else text) == value


@given(st.binary(min_size=1, max_size=200))
def test_base64_reads_what_an_encoder_writes(value: bytes) -> None:
    assert read_base64(base64.b64encode(value)) == value


@given(st.binary(max_size=60))
def test_nothing_else_is_read_and_nothing_raises(text: bytes) -> None:
    as_hex, as_base64 = read_hex(text), read_base64(text)
    assert as_hex is None or binascii.hexlify(as_hex) == text.lower()
    assert as_base64 is None or base64.b64encode(as_base64) == text
    for unit in ("s", "ms", "rfc3339"):
        read_moment(text, unit)


@pytest.mark.parametrize("text", [b"", b"a", b"abc", b" ab", b"ab ", b"a b", b"ab\n", b"0xab", b"\xc3\xa9", b"gg"])
def test_hex_is_pairs_of_digits(text: bytes) -> None:
    assert read_hex(text) is None


@pytest.mark.parametrize("text", [b"", b"YWI", b"YWI==", b"YW-_", b"Y WI=", b"YWI=\n", b"YWJ=", b"====", b"YWI=YWI="])
def test_base64_is_the_one_text_that_an_encoder_writes(text: bytes) -> None:
    assert read_base64(text) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"+17", b" 17", b"17 ", b"1_7", b"17.0", b"1e9", b"-1", b"nan", "١٧".encode(), b"1" * 17, b"17\n", b"0x1"],
)
@pytest.mark.parametrize("unit", ["s", "ms"])
def test_moments_are_digits_only(text: bytes, unit: str) -> None:
    assert read_moment(text, unit) is None


@given(st.integers(0, 10**13))
def test_moments_in_seconds_and_milliseconds(number: int) -> None:
    assert read_moment(b"%d" % number, "s") == number * 1000
    assert read_moment(b"%d" % number, "ms") == number


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), st.integers(0, 9))  # noqa: DTZ001 - made UTC below
def test_moments_in_rfc3339_with_up_to_nine_decimals(moment: datetime, digits: int) -> None:
    nanos = f"{moment.microsecond * 1000:09d}"[:digits]
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{nanos}" if nanos else "") + "Z"
    whole = round(moment.replace(microsecond=0, tzinfo=UTC).timestamp()) * 1000
    assert read_moment(text.encode(), "rfc3339") == whole + int(nanos.ljust(3, "0")[:3] or 0)


@pytest.mark.parametrize(
    "text",
    [
        b"2021-03-25T05:09:27Z{",
        b"2021-03-25T05:09:27",
        b"2021-03-25 05:09:27Z",
        b"2021-03-25t05:09:27z",
        b"2021-03-25T05:09:27+00:00",
        b"2021-03-25T05:09:27.Z",
        b"2021-03-25T05:09:27.1234567890Z",
        b"2021-02-30T05:09:27Z",
        b"2021-03-25T25:09:27Z",
        b"2021-3-25T05:09:27Z",
        b"1614265330",
    ],
)
def test_rfc3339_is_utc_written_out(text: bytes) -> None:
    assert read_moment(text, "rfc3339") is None
