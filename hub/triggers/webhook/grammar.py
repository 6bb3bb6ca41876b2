"""Strict readers for the texts that senders put in headers. Each gives a value or None, and never raises.

Python's own readers are kinder than a signature allows: `int` takes " 17 ", "+17" and "1_7", `bytes.fromhex` takes
spaces, `base64.b64decode` skips junk. Two texts that read the same are two chances to forge one.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_DIGITS = re.compile(rb"[0-9]{1,16}")
_RFC3339 = re.compile(rb"([0-9]{4}-[0-9]{2}-[0-9]{2})[T]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z")

#: Longest encoded value that is looked at; the longest signature in use (RSA-4096 in base64) has 684 characters.
_MOST = 2_048


def read_hex(text: bytes) -> bytes | None:
    """Hexadecimal digits in pairs, either case."""
    if not text or len(text) > _MOST:
        return None
    try:
        return binascii.unhexlify(text)  # the one reader here that takes nothing else
    except binascii.Error:
        return None


def read_base64(text: bytes) -> bytes | None:
    """The standard alphabet with its padding; spare bits in the last symbol must be zero."""
    if not text or len(text) > _MOST or _BASE64.fullmatch(text) is None:
        return None
    value = binascii.a2b_base64(text)
    # `//9=` and `//8=` read as the same bytes: only the one that an encoder writes is taken.
    return value if binascii.b2a_base64(value, newline=False) == text else None


def read_moment(text: bytes, unit: str) -> int | None:
    """Milliseconds since 1970 UTC. `unit` is "s" or "ms" (1 to 16 digits), or "rfc3339" (UTC, ending in Z)."""
    if unit == "rfc3339":
        return _read_rfc3339(text)
    if _DIGITS.fullmatch(text) is None:
        return None
    return int(text) * (1000 if unit == "s" else 1)


def _read_rfc3339(text: bytes) -> int | None:
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    try:
        whole = datetime.fromisoformat(f"{found[1].decode()}T{found[2].decode()}").replace(tzinfo=UTC)
    except ValueError:
        return None
    fraction = int((found[3] or b"0").ljust(9, b"0")[:9]) // 1_000_000
    return round(whole.timestamp()) * 1000 + fraction
