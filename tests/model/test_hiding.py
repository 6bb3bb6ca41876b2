from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.hiding import HIDDEN, SHORTEST, Hiding, SecretShown

#: Secrets of the kinds that people have.
SECRETS = [
    "correct horse battery staple",
    "sk_live_51HqX9jKzLmNoPqRsTuVwXyZ",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "AKIAIOSFODNN7EXAMPLE/wJalrXUtnFEMI/K7MDENG",
    "postgres://hub:p%40ss/w+rd@db/x?y=1&z=2",
    'quotes " and \\ backslashes',
    "línea ünïcode ☂ 密码密码",
    "tab\tand\nnewline",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n",
    "<script>alert('x')</script>",
    "a=b&c=d;e f+g",
    "0123456789abcdef0123456789abcdef",
    "deadbeef" * 8,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF-_",
    '{"type": "service_account"}',
    "$2b$12$abcdefghijklmnopqrstuv",
    "trailing space ",
    "%25%32%35 percent",
    "********nearly",
    "\x1b[31mred\x1b[0m",
]


def looks(secret: str) -> list[str]:
    """How it may stand in a text."""
    raw = secret.encode()
    return [
        secret, json.dumps(secret), json.dumps({"a": [secret]}, ensure_ascii=False), quote(secret), quote_plus(secret),
        quote(secret, safe=""), base64.b64encode(raw).decode(), base64.b64encode(b"user:" + raw).decode(),
        base64.b64encode(b"ab" + raw + b"tail").decode(), base64.urlsafe_b64encode(raw).decode(), f"Bearer {secret}",
        json.dumps(json.dumps({"k": secret})), repr({"k": secret}), repr(secret.encode()), ascii(secret),
        json.dumps({"message": repr([secret])}),
    ]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_however_it_is_written(secret: str) -> None:
    hiding = Hiding()
    hiding.learn(secret)
    for text in looks(secret):
        shown = hiding.hide(f"before {text} after")
        assert secret not in shown
        assert HIDDEN in shown
        assert shown.startswith("before ")
        assert shown.endswith(" after")
        with pytest.raises(SecretShown, match=r"ctx\.secret"):
            hiding.refuse("the result is", text)


def test_what_is_not_learned_is_left_alone() -> None:
    hiding = Hiding()
    hiding.refuse("the result is", "anything")
    assert hiding.hide("anything") == "anything"
    hiding.learn("x" * (SHORTEST - 1))
    assert hiding.hide("x" * 100) == "x" * 100, "too short to be told from other texts"


def test_a_secret_within_another_one_is_hidden_with_it() -> None:
    hiding = Hiding()
    hiding.learn("the-password")
    hiding.learn("postgres://hub:the-password@db/x")
    assert hiding.hide("to postgres://hub:the-password@db/x and the-password") == f"to {HIDDEN} and {HIDDEN}"


def test_values_are_looked_through_and_stay_json() -> None:
    hiding = Hiding()
    hiding.learn("nsecretsecret")
    value = {"nsecretsecret": ["a nsecretsecret", 1, None, {"k": "x\nsecretsecret"}]}
    assert hiding.hide_in(value) == {HIDDEN: [f"a {HIDDEN}", 1, None, {"k": "x\nsecretsecret"}]}


@given(st.text(min_size=SHORTEST, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    hiding = Hiding()
    hiding.learn(secret)
    if secret not in HIDDEN:
        assert secret not in hiding.hide(before + secret + after).replace(HIDDEN, "\0")


def test_a_secret_that_is_too_short_is_named_once_and_its_value_never() -> None:
    told: list[str] = []
    hiding = Hiding(told.append)
    for _ in range(3):
        hiding.learn("k1tten", "PET")
    assert hiding.short == {"PET"}
    (sentence,) = told
    assert "PET" in sentence
    assert "k1tten" not in sentence
