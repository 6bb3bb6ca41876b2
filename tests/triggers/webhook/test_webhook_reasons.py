"""What an operator is told of a delivery that was refused: enough to mend it, and nothing of a secret."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import pytest
from webhook_kit import NOW, PUBLIC_URL, SECRET, endpoint, problems

from hub.triggers.webhook.request import RawRequest, Verdict

OTHER = "another-secret-of-16-bytes"
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def judged(verify: dict[str, Any], *headers: tuple[bytes, bytes], body: bytes = b"{}") -> Verdict:
    made = endpoint(verify)
    assert made.verifier is not None
    pairs = [(name.lower(), value) for name, value in headers]
    return made.verifier.verify(RawRequest("POST", "/webhooks/erp-push?token=hidden", pairs, body), NOW)


def mac(content: bytes, secret: str, algorithm: str = "sha256") -> bytes:
    return base64.b64encode(hmac.digest(secret.encode(), content, algorithm))


@pytest.mark.parametrize(
    ("preset", "came", "said"),
    [
        ("github", [], "x-hub-signature-256 is missing: has the sender been given a secret?"),
        ("github", [b"Authorization"], "x-hub-signature-256 is missing: has the sender been given a secret?"),
        ("github", [b"X-Hub-Signature"], "x-hub-signature-256 is missing, and x-hub-signature came: is it the right"),
        ("openai", [b"svix-signature", b"svix-id"], "webhook-signature is missing, and svix-signature came: is it the"),
        ("slack", [b"Stripe-Signature", b"x-line-signature"], "and stripe-signature and x-line-signature came"),
    ],
)
def test_a_missing_credential_names_the_one_that_came(preset: str, came: list[bytes], said: str) -> None:
    secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" if preset == "openai" else SECRET
    verdict = judged({"preset": preset, "secret": secret}, *((name, b"v1=abc") for name in came))
    assert (verdict.ok, verdict.step) == (False, "header")
    assert said in verdict.reason
    assert "abc" not in verdict.reason


@pytest.mark.parametrize(
    ("preset", "header"),
    [("square", b"x-square-hmacsha256-signature"), ("hubspot", b"x-hubspot-signature-v3"), ("twilio", b"x-twilio-signature")],
)  # fmt: skip
def test_whose_address_is_signed_is_told_which_one_was_meant(preset: str, header: bytes) -> None:
    algorithm = "sha1" if preset == "twilio" else "sha256"
    stamp = (b"x-hubspot-request-timestamp", b"%d" % NOW)
    verdict = judged(
        {"preset": preset, "secret": SECRET}, FORM, stamp, (header, mac(b"x", SECRET, algorithm)), body=b"a=1"
    )
    assert verdict.step == "signature"
    assert f"has another address than {PUBLIC_URL}/webhooks/erp-push" in verdict.reason
    assert "hidden" not in verdict.reason


def test_twilio_by_a_shared_key_is_taken_where_the_file_says_so_and_told_where_not() -> None:
    content = f"{PUBLIC_URL}/webhooks/erp-push?token=hiddenBodyx".encode()
    headers = [FORM, (b"x-twilio-signature", mac(content, SECRET)), (b"X-Twilio-Webhooks-Signature-Settings", b"key=k,algorithm=HMAC_SHA256")]  # fmt: skip
    shared = {"preset": "twilio", "secret": SECRET, "algorithm": "sha256"}
    assert judged(shared, *headers, body=b"Body=x").ok
    refused = judged({"preset": "twilio", "secret": SECRET}, *headers, body=b"Body=x")
    assert (refused.ok, refused.step) == (False, "signature")
    assert "write algorithm: sha256 beside the preset" in refused.reason
    other = judged(shared | {"secret": OTHER}, *headers, body=b"Body=x")
    assert "the auth token is another one" in other.reason


@pytest.mark.parametrize("secret", [f"{SECRET}\n", f" {SECRET}", f"\t{SECRET}"])
def test_white_space_that_was_copied_with_a_secret_is_pointed_out(secret: str) -> None:
    assert any("white space" in one for one in endpoint({"preset": "github", "secret": secret}).warnings)
    assert any("white space" in one for one in endpoint({"preset": "gitlab", "secret": [SECRET, secret]}).warnings)
    assert "white space" in problems({"preset": "openai", "secret": f"whsec_{'A' * 43}=\n"})[0]
    assert "white space" in problems({"preset": "adyen", "secret": f"{'ab' * 32} "})[0]
    assert not endpoint({"preset": "github", "secret": "It's a Secret to Everybody"}).warnings
