"""The senders of webhooks: GitHub, which signs, and somebody who knows an address."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What the hub said to a request."""

    status: int
    body: Any

    @property
    def event_id(self) -> str:
        """The event that was stored; "" when none was."""
        found = self.body.get("event_id", "") if isinstance(self.body, dict) else ""
        return str(found)


def push(branch: str) -> bytes:
    """GitHub's body for a push of two commits, as far as anybody looks."""
    commits = [
        {"id": hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), "message": text, "author": {"name": who}}
        for text, who in (("Note G", "Ada Lovelace"), ("Find the moth", "Grace Hopper"))
    ]
    body = {"ref": f"refs/heads/{branch}", "repository": {"full_name": "ada/engine"}, "pusher": {"name": "ada"}}
    return json.dumps({**body, "commits": commits}).encode()


def github_headers(body: bytes, secret: str) -> dict[str, str]:
    """As GitHub makes them: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """POST JSON. Raises OSError when nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("POST", parts.path, body, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        return Answer(response.status, json.loads(text))
    except ValueError:
        return Answer(response.status, text.decode(errors="replace"))
