"""Adyen's standard webhooks: a signature in every item, over eight fields joined by colons.

https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures; nothing is escaped, and every item is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.triggers.webhook.grammar import read_base64
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict, at, text_of
from hub.triggers.webhook.scheme import Scheme
from hub.triggers.webhook.secrets import make_keys
from hub.triggers.webhook.verify import Checked

_FIELDS = (
    ("pspReference",),
    ("originalReference",),
    ("merchantAccountCode",),
    ("merchantReference",),
    ("amount", "value"),
    ("amount", "currency"),
    ("eventCode",),
    ("success",),
)
_MOST_ITEMS = 1_000


class AdyenVerifier(Checked):
    """Raises BadSecret."""

    def __init__(self, scheme: Scheme, secrets: Sequence[str], *, weak: bool = False) -> None:
        self.scheme = scheme
        self.keys = make_keys(scheme, secrets, weak=weak)

    def judge(self, request: RawRequest, _now_ms: int, /) -> Verdict:
        found = items(request.json())
        if not found or len(found) > _MOST_ITEMS:
            raise Refusal("content", f"the body holds no notification, or more than {_MOST_ITEMS}")
        return Verdict(ok=True, secret_index=max(self._check(item) for item in found))

    def _check(self, item: Any) -> int:
        given = at(item, ("additionalData", "hmacSignature"))
        signature = read_base64(given.encode()) if isinstance(given, str) else None
        if signature is None:
            raise Refusal("header", "an item has no hmacSignature in its additionalData")
        hits = [key.check(signed_fields(item), [signature]) for key in self.keys]
        if not any(hits):
            raise Refusal(
                "signature", "an item's signature does not match: the key is another one, or a signed field was changed"
            )
        return hits.index(True)


def signed_fields(item: Any) -> bytes:
    """The eight fields, joined; a missing one is empty."""
    return b":".join(text_of(at(item, path)) or b"" for path in _FIELDS)


def items(value: Any) -> list[Any]:
    """The notifications of a body: those of the envelope, or a single bare one."""
    if not isinstance(value, dict):
        return []
    if "notificationItems" not in value:
        return [value]
    listed = value["notificationItems"]
    return [at(item, ("NotificationRequestItem",)) for item in listed] if isinstance(listed, list) else []


def batch_id(value: Any) -> str | None:
    """The id of a batch: reference, event and outcome of each item, all of them signed."""
    parts = [[text_of(at(item, (name,))) for name in ("pspReference", "eventCode", "success")] for item in items(value)]
    if not parts or any(piece is None for part in parts for piece in part):
        return None
    return ",".join("/".join((piece or b"").decode() for piece in part) for part in parts)
