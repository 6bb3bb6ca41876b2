"""Signed requests of many senders with the verdict of a strict receiver, where a file with them is at hand."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from webhook_kit import NOW, Desk, FakeClock, executor

from hub.triggers.webhook.building import build
from hub.triggers.webhook.endpoint import Endpoint

FILE = Path(
    os.environ.get(
        "HUB_WEBHOOK_VECTORS", str(Path(__file__).resolve().parents[4] / "shared" / "webhooks" / "vectors.json")
    )
)

pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason="no file of vectors: set HUB_WEBHOOK_VECTORS to have them checked"
)


def _vectors() -> list[dict[str, Any]]:
    return json.loads(FILE.read_text("utf-8")) if FILE.is_file() else []


def _settings(vector: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {"preset": vector["provider"]}
    secret = vector["secret"]
    if isinstance(secret, dict):
        settings |= secret
    elif secret is not None:
        settings["secret"] = secret
    elif vector["provider"] == "eventgrid":
        settings["type"] = "none"
    if "verify_token" in vector:
        settings["verify_token"] = vector["verify_token"]
    return settings


@pytest.mark.parametrize("vector", _vectors(), ids=lambda vector: vector["id"])
def test_every_vector_gets_its_verdict_from_the_intake(vector: dict[str, Any]) -> None:
    address = urlsplit(vector["url"])
    # Some senders call with GET or PUT in their own tests.
    methods = ("POST", "GET", "PUT") if vector.get("kind") != "handshake" else ("POST",)
    made = build(
        executor(_settings(vector), methods=methods),
        lambda value: value,
        public_url=f"{address.scheme}://{address.netloc}",
        weak=True,
    )
    if vector["secret"] in ("", "whsec_"):
        assert isinstance(made, list)
        return
    # Zendesk's own vectors are signed with the secret that its documentation publishes, which is refused unless `weak`.
    assert isinstance(made, Endpoint), made
    desk = Desk(made, clock=FakeClock(NOW if vector["at"] is None else vector["at"] * 1000))
    reply = desk.raw(
        base64.b64decode(vector["body_base64"]),
        [(name.encode(), value.encode()) for name, value in vector["headers"].items()],
        raw_path=address.path,
        query=address.query.encode(),
        method=vector["method"],
    )
    # 400 is said of a body that cannot be read, after its signature was found right.
    assert (reply.status in (200, 202, 204, 400)) == vector["valid"], reply
    _check_answer(vector.get("expected_response"), reply)


def _check_answer(expected: dict[str, Any] | None, reply: Any) -> None:
    if expected is None:
        return
    assert reply.status == expected["status"]
    if "body" in expected:
        assert reply.body.decode() == expected["body"]
    if expected.get("content_type") and expected["status"] == 200:
        assert reply.headers["content-type"].startswith(expected["content_type"])
    for name, value in expected.get("headers", {}).items():
        assert reply.headers[name.lower()].startswith(value)
