"""Senders that sign with a JSON Web Token: its issuer, its keys, and its claims of the body."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webhook_kit import NOW, Desk, endpoint, problems

from hub.triggers.webhook.documents import BETWEEN, KEPT, Documents
from hub.triggers.webhook.request import Wanted

SECONDS = NOW // 1000
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def _jwk(key: Any, kid: str) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    )
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}


CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "https://hub.example.com/webhooks/erp-push",
    "iat": SECONDS,
    "exp": SECONDS + 3_600,
    "email": "push@example.com",
    "email_verified": True,
}

OIDC = {
    "preset": "oidc",
    "issuer": "https://issuer.example",
    "audience": CLAIMS["aud"],
    "email": "push@example.com",
    "keys": [_jwk(RSA_KEY, "k1"), _jwk(EC_KEY, "k2")],
}


def _bearer(claims: dict[str, Any], key: Any = RSA_KEY, algorithm: str = "RS256", kid: str = "k1") -> dict[str, str]:
    # Not `jwt.encode`: it is too careful to write claims of the wrong type.
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm, headers={"kid": kid, "typ": "JWT"})
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "headers",
    [_bearer(CLAIMS), _bearer({**CLAIMS, "aud": ["x", CLAIMS["aud"]]}), _bearer(CLAIMS, EC_KEY, "ES256", "k2")],
)
def test_tokens_of_the_named_issuer_are_taken(headers: dict[str, str]) -> None:
    assert Desk(endpoint(OIDC)).post(b"{}", headers).status_code == 202


def _none_token() -> dict[str, str]:
    return {"authorization": f"Bearer {jwt.encode(CLAIMS, None, 'none', headers={'kid': 'k1'})}"}


def _confused_token() -> dict[str, str]:
    """HS256 with the public key as the secret; made by hand, for the library refuses to."""
    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "k1"}, CLAIMS)
    ]
    mac = base64.urlsafe_b64encode(hmac.digest(public, b".".join(parts), "sha256")).rstrip(b"=")
    return {"authorization": "Bearer " + b".".join([*parts, mac]).decode()}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer x.y.z"},
        {"authorization": "Bearer"},
        {"authorization": _bearer(CLAIMS)["authorization"].replace("Bearer", "Basic")},
        {"authorization": _bearer(CLAIMS)["authorization"][:-6] + "AAAAAA"},
        _none_token(),
        _confused_token(),
        _bearer(CLAIMS, rsa.generate_private_key(65_537, 2_048)),
        _bearer(CLAIMS, kid="k3"),
        _bearer(CLAIMS, kid="k2"),
        _bearer({**CLAIMS, "iss": "https://other.example"}),
        _bearer({**CLAIMS, "iss": None}),
        _bearer({**CLAIMS, "iss": [CLAIMS["iss"]]}),
        _bearer({**CLAIMS, "iss": {}}),
        _bearer({**CLAIMS, "aud": [{}]}),
        _bearer({**CLAIMS, "aud": {}}),
        _bearer({**CLAIMS, "aud": "https://other.example"}),
        _bearer({**CLAIMS, "email": "other@example.com"}),
        _bearer({**CLAIMS, "email_verified": "true"}),
        _bearer({**CLAIMS, "exp": SECONDS - 61}),
        _bearer({**CLAIMS, "exp": "tomorrow"}),
        _bearer({**CLAIMS, "nbf": SECONDS + 61}),
        _bearer({key: value for key, value in CLAIMS.items() if key != "exp"}),
        _bearer({key: value for key, value in CLAIMS.items() if key != "aud"}),
    ],
)
def test_all_other_tokens_are_refused(headers: dict[str, str]) -> None:
    desk = Desk(endpoint(OIDC))
    assert desk.post(b"{}", headers).status_code == 401
    assert desk.store.events == []


@pytest.mark.parametrize("change", [{"alg": "RS512"}, {"alg": "HS256"}, {"kty": "oct", "k": "AAAA"}, {"n": "!"}])
def test_a_key_is_used_for_its_own_algorithm_alone(change: dict[str, str]) -> None:
    verify = {**OIDC, "keys": [{**_jwk(RSA_KEY, "k1"), **change}]}
    assert Desk(endpoint(verify)).post(b"{}", _bearer(CLAIMS)).status_code == 401


def test_a_shared_secret_signs_tokens_too() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    desk = Desk(endpoint({"type": "jwt", "issuer": CLAIMS["iss"], "audience": CLAIMS["aud"], "secret": secret}))
    assert desk.post(b"{}", _bearer(CLAIMS, secret, "HS256")).status_code == 202
    assert desk.post(b"{}", _bearer(CLAIMS, secret[::-1], "HS256")).status_code == 401
    assert desk.post(b"{}", _bearer(CLAIMS, secret + secret, "HS512")).status_code == 401


def test_key_sets_are_fetched_and_an_unknown_key_is_looked_for_once_a_minute() -> None:
    asked: list[str] = []

    async def fetch(wanted: Wanted) -> bytes:
        asked.append(wanted.url)
        return json.dumps({"keys": [_jwk(RSA_KEY, "k1")]}).encode()

    documents = Documents(fetch)
    verify = {key: value for key, value in OIDC.items() if key != "keys"} | {"jwks_url": "https://issuer.example/keys"}
    desk = Desk(endpoint(verify, documents=documents), documents=documents)
    assert desk.post(b"{}", _bearer(CLAIMS)).status_code == 202
    for _ in range(3):
        assert desk.post(b"{}", _bearer(CLAIMS, kid="gone")).status_code == 401
    assert len(asked) == 1
    desk.clock.ms += BETWEEN
    assert desk.post(b"{}", _bearer({**CLAIMS, "exp": SECONDS + 9_999}, kid="gone")).status_code == 401
    assert len(asked) == 2
    desk.clock.ms += KEPT
    assert desk.post(b"{}", _bearer({**CLAIMS, "exp": SECONDS + 99_999})).status_code == 202
    assert len(asked) == 3


def test_documents_are_few_small_and_never_raise() -> None:
    async def fetch(wanted: Wanted) -> bytes:
        return b"x" * 65_537 if wanted.url.endswith("large") else b"x"

    async def story() -> list[bool]:
        documents = Documents(fetch)
        large = await documents.load(Wanted("https://a/large"), NOW)
        many = [await documents.load(Wanted(f"https://a/{number}"), NOW) for number in range(30)]
        assert await Documents().load(Wanted("https://a/1"), NOW) is False
        return [large, *many]

    loaded = asyncio.run(story())
    assert loaded[0] is False
    assert sum(loaded) == 19


def _plaid(body: bytes, **claims: Any) -> dict[str, str]:
    digest = hashlib.sha256(body).hexdigest()
    token = jwt.encode({"iat": SECONDS, "request_body_sha256": digest} | claims, EC_KEY, "ES256", headers={"kid": "k2"})
    return {"plaid-verification": token, "content-type": "application/json"}


def test_plaid_signs_the_bodys_hash() -> None:
    body = b'{"webhook_type": "ITEM", "webhook_code": "ERROR"}'
    desk = Desk(endpoint({"preset": "plaid", "keys": [_jwk(EC_KEY, "k2"), _jwk(RSA_KEY, "k1")]}))
    assert desk.post(body, _plaid(body)).status_code == 202
    assert desk.store.events[0].type == "ITEM.ERROR"
    for sent, headers in (
        (body + b" ", _plaid(body)),
        (body, _plaid(body, iat=SECONDS - 301)),
        (body, _plaid(body, iat=SECONDS + 301)),
        (body, _plaid(body, iat="now")),
        (body, _plaid(body, request_body_sha256=7)),
        (
            body,
            {
                "plaid-verification": jwt.encode(
                    {"iat": SECONDS, "request_body_sha256": hashlib.sha256(body).hexdigest()},
                    RSA_KEY,
                    "RS256",
                    headers={"kid": "k1"},
                )
            },
        ),
        (body, {"plaid-verification": "x"}),
        (body, {}),
    ):
        assert desk.post(sent, headers).status_code == 401


def test_plaids_keys_are_asked_for_with_the_accounts_credentials() -> None:
    asked: list[Wanted] = []

    async def fetch(wanted: Wanted) -> bytes:
        asked.append(wanted)
        return json.dumps({"key": {**_jwk(EC_KEY, "k2"), "expired_at": None}}).encode()

    documents = Documents(fetch)
    verify = {"preset": "plaid", "client_id": "client", "secret": "plaid-secret", "environment": "sandbox"}
    desk = Desk(endpoint(verify, documents=documents), documents=documents)
    assert desk.post(b"{}", _plaid(b"{}")).status_code == 202
    assert asked[0].url == "https://sandbox.plaid.com/webhook_verification_key/get"
    assert json.loads(asked[0].body) == {"client_id": "client", "secret": "plaid-secret", "key_id": "k2"}
    assert "plaid-secret" not in repr(asked[0])


def test_cloudevents_brings_its_token_in_either_place_and_never_two_different_ones() -> None:
    token = "a-token-of-enough-bytes-0"
    desk = Desk(endpoint({"preset": "cloudevents", "secret": token}))
    bearer = {"authorization": f"Bearer {token}"}
    for headers, query, status in (
        (bearer, "", 202),
        ({}, f"?access_token={token}", 202),
        (bearer, f"?access_token={token}", 202),
        (bearer, "?access_token=another-token-of-16-bytes", 401),
        ({"authorization": "Bearer another-token-of-16-bytes"}, f"?access_token={token}", 401),
        ({"authorization": f"Basic {token}"}, f"?access_token={token}", 401),
        ({}, f"?access_token={token}&access_token=x", 401),
        ({}, f"?token={token}", 401),
        ({}, "?access_token=", 401),
    ):
        answer = desk.post(b"{}", headers | {"content-type": "application/json"}, url=f"/webhooks/erp-push{query}")
        assert answer.status_code == status, (headers, query)
    assert all(token not in json.dumps(event.payload) for event in desk.store.events)


@pytest.mark.parametrize(
    "keys",
    [
        [_jwk(EC_KEY, "k2")],
        {"keys": [_jwk(EC_KEY, "k2")]},
        _jwk(EC_KEY, "k2"),
        {"k2": {name: value for name, value in _jwk(EC_KEY, "k2").items() if name != "kid"}, "k1": _jwk(RSA_KEY, "k1")},
    ],
)
def test_keys_are_written_as_people_have_them(keys: Any) -> None:
    desk = Desk(endpoint({"preset": "plaid", "keys": keys}))
    assert desk.post(b"{}", _plaid(b"{}")).status_code == 202
    assert desk.post(b"{ }", _plaid(b"{}")).status_code == 401


@pytest.mark.parametrize("keys", ["k", 7, {}, ["k"], {"keys": "k"}, {"k2": "k"}, {"keys": [7]}, {"keys": {}}])
def test_what_is_no_key_is_said_so(keys: Any) -> None:
    assert "must be JSON Web Keys" in problems({"preset": "plaid", "keys": keys})[0]
