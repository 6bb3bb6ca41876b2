"""What a delivery had to pass, told later from what was kept of it: true for every sender, and without its credential."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from test_webhook_sign import ONLY_THE_SENDER
from webhook_kit import NOW, SECRET, Desk, endpoint, secret_of

from hub.model.event import Event, NewEvent
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.presets import preset_names
from hub.triggers.webhook.retelling import retell
from hub.triggers.webhook.sign import sign

OLD = "f" * 40


def came(made: Endpoint, body: bytes = b'{"id": "x1", "event_code": "T", "webhookTimestamp": 0}') -> Event:
    """A signed request, let in and kept as the store keeps it."""
    desk = Desk(made)
    signed = sign(made, body, NOW, event="ping")
    answer = desk.post(signed.body, signed.headers, url=f"/webhooks/erp-push{signed.query}")
    assert answer.status_code == made.response.status, answer.text
    return kept(desk.store.events[-1])


def kept(new: NewEvent) -> Event:
    payload = json.loads(json.dumps(new.payload))
    return Event("id", new.source, new.key, new.type, new.time, NOW + 2_000, payload, body=new.body)


def told(made: Endpoint | None, event: Event) -> dict[str, str]:
    steps = retell(made, event)
    assert all(step.ok for step in steps)
    return {step.name: step.detail for step in steps}


@pytest.mark.parametrize("name", sorted(preset_names() - ONLY_THE_SENDER - {"msgraph"}))
def test_every_sender_is_told_of_and_no_secret_is(name: str) -> None:
    verify = {"preset": name, "secret": secret_of(name)}
    made = endpoint(verify)
    event = came(made)
    steps = told(made, event)
    assert next(iter(steps)) == "head"
    assert list(steps)[-2:] == ["body", "key"]
    assert ("timestamp" in steps) is (event.payload["proof"].get("at") is not None)
    said = json.dumps(steps)
    assert str(verify["secret"]).rpartition(":")[2] not in said
    assert "file says something else" not in said


def test_a_signature_says_its_header_its_algorithm_and_which_secret() -> None:
    made = endpoint({"preset": "github", "secret": [SECRET, OLD]})
    assert told(made, came(made)) == {
        "head": "POST of application/json: method, length and type are taken",
        "credential": "the header x-hub-signature-256 was there; its value was not kept",
        "signature": "hmac sha256 in hex over {body} holds, with secret number 1 of 2",
        "body": "54 bytes that can be read",
        "key": "the sender's id, from the header x-github-delivery",
    }
    turned = endpoint({"preset": "github", "secret": [OLD, SECRET]})
    desk = Desk(turned)
    desk.post(b"{}", sign(made, b"{}", NOW).headers)
    assert "with secret number 2 of 2" in told(turned, kept(desk.store.events[-1]))["signature"]


def test_a_time_says_how_old_it_was_and_what_is_allowed() -> None:
    made = endpoint({"preset": "stripe", "secret": SECRET})
    assert told(made, came(made))["timestamp"] == "signed 2s before it came; 5m are allowed"


@pytest.mark.parametrize(
    ("verify", "more", "step", "said"),
    [
        ({"preset": "github", "secret": SECRET}, {"dedupe": {"key": "body"}}, "key", "the hash of its body"),
        ({"preset": "github", "secret": SECRET}, {"schema": {"type": "object"}}, "schema", "has the shape"),
        ({"preset": "none"}, {}, "proof", "anybody can send here"),
    ],
)
def test_what_the_file_asks_for_is_told(verify: dict[str, Any], more: dict[str, Any], step: str, said: str) -> None:
    made = endpoint(verify, compile_schema=lambda _schema: lambda _value: None, **more)
    assert said in told(made, came(made))[step]


def test_a_file_that_was_changed_since_is_not_told_as_if_it_had_been_so() -> None:
    event = came(endpoint({"preset": "github", "secret": SECRET}))
    for now in (None, endpoint({"preset": "stripe", "secret": SECRET})):
        steps = told(now, event)
        assert list(steps) == ["head", "proof"]
        assert steps["proof"] == "verified as github, with secret number 1; the file says something else now"


def test_what_came_before_proofs_were_kept_claims_nothing() -> None:
    made = endpoint({"preset": "github", "secret": SECRET})
    event = came(made)
    old = replace(event, payload={key: value for key, value in event.payload.items() if key != "proof"})
    assert list(told(made, old)) == ["proof"]
