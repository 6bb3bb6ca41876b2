"""Microsoft Graph: the clientState of the subscription comes back in every item of a notification."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hub.triggers.webhook.body import BadBody, read_json
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict, at
from hub.triggers.webhook.scheme import Scheme
from hub.triggers.webhook.secrets import Key
from hub.triggers.webhook.tokens import hashed, match_hash
from hub.triggers.webhook.verify import Checked

_MOST_ITEMS = 1_000


class GraphVerifier(Checked):
    """Every item must hold it: one that does not spoils the batch. Raises BadSecret."""

    def __init__(self, scheme: Scheme, secrets: Sequence[str], *, weak: bool = False) -> None:
        self.scheme = scheme
        self.keys: tuple[Key, ...] = ()
        self._hashes = hashed([secret.encode("utf-8", "surrogateescape") for secret in secrets], weak=weak)
        self._newest = secrets[0]

    def judge(self, request: RawRequest, _now_ms: int, /) -> Verdict:
        items = at(request.json(), ("value",))
        if not isinstance(items, list) or not 0 < len(items) <= _MOST_ITEMS:
            raise Refusal("content", f"the body holds no notification, or more than {_MOST_ITEMS}")
        states = [at(item, ("clientState",)) for item in items]
        if not all(isinstance(state, str) for state in states):
            raise Refusal("header", "an item has no clientState")
        matched = [match_hash(state.encode(), self._hashes, "an item's clientState is another one") for state in states]
        return Verdict(ok=True, secret_index=max(matched))

    def stated(self, body: bytes) -> bytes:
        """The body with the newest clientState in every item. Raises BadBody."""
        document = read_json(body)
        items = at(document, ("value",))
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            raise BadBody('it has no list "value" of notifications')
        for item in items:
            item["clientState"] = self._newest
        return json.dumps(document).encode()
