from __future__ import annotations

from typing import Any

import pytest
from webhook_kit import SECRET, endpoint, executor, problems

from hub.model.errors import ConfigError
from hub.model.executor import Executor, Position, Problem, WebhookTrigger, WorkflowTarget
from hub.triggers.webhook.building import build
from hub.triggers.webhook.describe import describe_presets
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.presets import preset_names
from hub.triggers.webhook.reading import read_scheme

HMAC = {"type": "hmac", "header": "X-Sig", "secret": SECRET}


@pytest.mark.parametrize("name", sorted(preset_names()))
def test_every_preset_is_a_scheme_without_flaws(name: str) -> None:
    scheme, flaws = read_scheme({"preset": name})
    assert flaws == []
    assert scheme is not None
    assert f"| `{name}` |" in describe_presets()


@pytest.mark.parametrize(
    ("verify", "said"),
    [
        ({}, "needs a preset"),
        ({"preset": "githb", "secret": SECRET}, 'Did you mean "github"?'),
        ({**HMAC, "headers": "X"}, 'Did you mean "header"?'),
        ({**HMAC, "algorithm": "md5"}, "algorithm must be one of sha1, sha256, sha512"),
        ({**HMAC, "encoding": "base32"}, "encoding must be one of"),
        ({"type": "hmac", "secret": SECRET}, "needs the name of the header"),
        ({**HMAC, "header": "X Sig"}, "header must be a header's name"),
        ({**HMAC, "content": "{bdy}"}, "content must be made of"),
        ({**HMAC, "content": "{timestamp}"}, "say where it comes from"),
        ({**HMAC, "content": "fixed"}, "the body is not signed"),
        ({**HMAC, "timestamp": {"from": "header:X-Time"}}, "the timestamp is not signed"),
        ({**HMAC, "timestamp": {"from": "X-Time"}, "content": "{timestamp}{body}"}, "must say where"),
        (
            {**HMAC, "timestamp": {"from": "header:X-Time", "tolerance": "2d"}, "content": "{timestamp}{body}"},
            "from 1s to 1d",
        ),
        (
            {**HMAC, "timestamp": {"from": "header:X-Time", "tolerance": "soon"}, "content": "{timestamp}{body}"},
            "from 1s to 1d",
        ),
        ({**HMAC, "id": {"from": "header:X-Id", "signed": True}}, "the id is said to be signed"),
        ({**HMAC, "id": {"from": "query:id", "signed": True}}, "the id is said to be signed"),
        ({**HMAC, "id": {"from": "signature:id"}}, "id.from must say where"),
        ({**HMAC, "event": "signature:e"}, "event.from must say where"),
        ({**HMAC, "timestamp": {"from": "signature:t"}, "content": "{timestamp}.{body}"}, "that is no list"),
        ({**HMAC, "id": {"from": "header:X-Id", "sign": True}}, 'Did you mean "signed"?'),
        ({**HMAC, "list": {"separator": ","}}, "list needs a separator"),
        ({**HMAC, "handshake": "zoomm"}, "handshake must be one of"),
        ({**HMAC, "secret": ""}, "the secret is empty"),
        ({**HMAC, "secret": "short"}, "shorter than 16 bytes"),
        ({**HMAC, "secret": [SECRET] * 5}, "more than 4"),
        ({**HMAC, "secret": []}, "must be a text"),
        ({**HMAC, "secret": [SECRET, ""]}, "the secret is empty"),
        ({"type": "hmac", "header": "X-Sig"}, "the secret is missing"),
        ({"preset": "standardwebhooks", "secret": "whsec_"}, "the secret is empty"),
        ({"preset": "standardwebhooks", "secret": "whsec_!!!!"}, "not base64"),
        ({"preset": "standardwebhooks", "secret": "whsec_c2hvcnQ="}, "shorter than 16"),
        ({"preset": "adyen", "secret": "xyz" * 20}, "not hexadecimal"),
        ({"preset": "discord", "secret": "ab" * 31}, "has 32 bytes"),
        ({"preset": "sendgrid", "secret": "AAAA"}, "not a public key"),
        ({"preset": "zendesk", "secret": "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="}, "publishes"),
        ({"preset": "sns"}, "topic_arns"),
        ({"preset": "pubsub"}, "audience"),
        ({"preset": "oidc", "audience": "a", "issuer": "i"}, "jwks_url"),
        ({"preset": "oidc", "audience": "a", "issuer": "i", "jwks_url": "http://x"}, "https"),
        ({"type": "jwt", "audience": "a", "issuer": "i", "secret": SECRET[:20]}, "32 bytes"),
        ({"preset": "plaid"}, "client_id"),
        ({"preset": "basic", "secret": SECRET}, "user:password"),
        ({"preset": "telegram", "secret": "short"}, "shorter than 16"),
        ({"preset": "square", "secret": SECRET}, "public_url"),
        ({"preset": "twilio", "secret": SECRET}, "public_url"),
    ],
)
def test_what_proves_too_little_does_not_load(verify: dict[str, Any], said: str) -> None:
    found = problems(verify)
    assert any(said in message for message in found), found
    assert not any(secret in message for message in found for secret in (SECRET, "c2hvcnQ"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"limits": {"body": "26MiB"}}, "limits.body"),
        ({"limits": {"rate": 0}}, "limits.rate"),
        ({"limits": {"networks": ["10.0.0.1/8"]}}, "limits.networks"),
        ({"limits": {"content_types": ["*/*"]}}, "limits.content_types names each media type in full"),
        ({"limits": {"content_types": ["application/json", "text/*"]}}, '"text/*" is none'),
        ({"limits": {"content_types": ["json"]}}, '"json" is none. Left out it takes JSON, forms and plain text.'),
        ({"dedupe": {"key": "cookie:x"}}, "dedupe.key"),
        ({"dedupe": {"window": "long"}}, "dedupe.window"),
        ({"response": {"status": 500}}, "response.status"),
        ({"response": {"headers": {"X-A": "a\r\nb"}}}, "response.headers"),
        ({"response": {"headers": {"Date": "today"}}}, "cannot set date"),
        ({"response": {"headers": {"X-A": "${{ args.body.a }}"}}}, "the same in every answer; X-A cannot hold ${{ }}"),
    ],
)
def test_limits_and_answers_are_checked_too(keys: dict[str, Any], said: str) -> None:
    assert any(said in message for message in problems(HMAC, **keys))


def test_problems_stand_where_the_mistake_is() -> None:
    place = Position("executors/erp-push.yaml", 7, 15)
    made = Executor(
        "erp-push",
        WebhookTrigger(verify={**HMAC, "algorithm": "md5"}),
        WorkflowTarget("w", None),
        positions={("trigger", "webhook", "verify", "algorithm"): place},
    )
    found = build(made, lambda value: value)
    assert isinstance(found, list)
    assert found[0].position == place


def test_media_types_are_taken_as_senders_write_them() -> None:
    listed = ["Application/JSON; charset=utf-8", "application/vnd.api+json", "application/x-www-form-urlencoded"]
    made = endpoint(HMAC, limits={"content_types": listed})
    assert made.content_types == {"application/json", "application/vnd.api+json", "application/x-www-form-urlencoded"}


def test_all_problems_are_told_at_once() -> None:
    assert len(problems({**HMAC, "algorithm": "md5", "encoding": "x", "content": "{x}"}, limits={"rate": 0})) == 3


def test_an_unset_secret_is_a_problem_and_not_an_empty_key() -> None:
    def fill(_value: Any) -> Any:
        raise ConfigError([Problem(Position("executors/erp-push.yaml", 3), "the secret ERP is not set")])

    found = build(executor({"preset": "github", "secret": "${secret:ERP}"}), fill)
    assert isinstance(found, list)
    assert found[0].message == "the secret ERP is not set"


def test_secrets_are_filled_in_and_never_shown() -> None:
    def fill(value: Any) -> Any:
        return {**value, "verify": {**value["verify"], "secret": SECRET}}

    made = build(executor({"preset": "github", "secret": "${secret:ERP}"}), fill)
    assert isinstance(made, Endpoint)
    assert SECRET not in repr(made)
    assert made.verifier is not None
    assert SECRET not in repr(made.verifier.keys)


def test_a_field_of_the_file_wins_over_the_preset() -> None:
    made = endpoint({"preset": "slack", "secret": SECRET, "timestamp": {"tolerance": "30s"}, "algorithm": "sha512"})
    assert (made.scheme.tolerance, made.scheme.unit, made.scheme.algorithm) == (30_000, "s", "sha512")
    shop = endpoint({"preset": "shopify", "secret": SECRET, "header": "X-Own-Sig"})
    assert [family.headers for family in shop.scheme.families] == [(b"x-own-sig",)]
    assert shop.scheme.families[0].event[0].name == b"x-shopify-topic"


def test_joined_fields_without_a_separator_are_warned_about() -> None:
    made = endpoint({**HMAC, "content": "{header:X-Tenant}{body}"})
    assert "with nothing between them" in made.warnings[0]
    assert endpoint({**HMAC, "content": "{header:X-Tenant}.{body}"}).warnings == ()


def test_nothing_verified_is_warned_about() -> None:
    assert "anybody" in endpoint({"type": "none"}).warnings[0]
    assert "no secret is set" in endpoint({"preset": "notion"}).warnings[0]
