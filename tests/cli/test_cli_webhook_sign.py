from __future__ import annotations

import hashlib
import hmac
import json
import shlex
from pathlib import Path

import pytest
from cli_kit import SECRET, Hub

BODY = b'{"ref": "refs/heads/main", "note": "it\'s"}\n'


@pytest.fixture
def body(tmp_path: Path) -> str:
    path = tmp_path / "body.json"
    path.write_bytes(BODY)
    return str(path)


def _curl(line: str) -> tuple[str, dict[str, str], bytes]:
    """The address, headers and body of a curl command."""
    words = shlex.split(line)
    assert words[0] == "curl"
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    return words[words.index("POST") + 1], headers, words[words.index("--data-binary") + 1].encode()


def test_a_signed_request_is_one_that_github_could_have_sent(hub: Hub, body: str) -> None:
    ran = hub("webhook", "sign", "github-push", "-d", body)
    assert ran.status == 0, ran.err
    url, headers, sent = _curl(ran.out)
    assert url == "http://127.0.0.1:8700/webhooks/github-push"
    assert sent == BODY
    assert headers["x-hub-signature-256"] == "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    assert headers["x-github-event"] == "push"  # what the executor takes
    assert SECRET not in ran.out + ran.err


def test_the_address_the_event_and_the_body_can_be_given(hub: Hub) -> None:
    ran = hub("webhook", "sign", "github-push", "-d", "-", "--url", "https://x.example/", "--event", "ping", stdin="{}")
    url, headers, sent = _curl(ran.out)
    assert (url, headers["x-github-event"], sent) == ("https://x.example/webhooks/github-push", "ping", b"{}")


def test_a_plain_webhook_has_its_token_in_the_address(hub: Hub, body: str) -> None:
    rows = {row["executor"]: row["url"] for row in hub.json("executor", "webhook", "list")}
    url, headers, _ = _curl(hub("webhook", "sign", "number-webhook", "-d", body).out)
    assert url == rows["number-webhook"]
    assert headers == {"content-type": "application/json"}


def test_as_json_it_is_for_other_programs(hub: Hub, body: str) -> None:
    shown = hub.json("webhook", "sign", "github-push", "-d", body)
    assert set(shown) == {"method", "url", "headers", "body"}
    assert shown["body"] == BODY.decode()


def test_a_signature_that_holds_its_time_says_how_long_it_is_good(hub: Hub, body: str) -> None:
    path = hub.root / "executors/github-push.yaml"
    path.write_text(
        path.read_text().replace("preset: github", "preset: stripe").replace("[push]", "[charge.succeeded]")
    )
    ran = hub("webhook", "sign", "github-push", "-d", body)
    assert ran.status == 0, ran.err
    assert "send it within 5m" in ran.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("github-pusch", 'there is no webhook executor "github-pusch". Did you mean "github-push"?'),
        ("nightly", 'executor "nightly" has no webhook: its trigger is of the kind schedule.'),
    ],
)
def test_what_is_no_webhook_is_said_so(hub: Hub, body: str, name: str, said: str) -> None:
    ran = hub("webhook", "sign", name, "-d", body)
    assert (ran.status, ran.out, ran.err) == (1, "", f"error: {said}\n")


def test_who_has_no_address_of_its_own_names_the_one_to_sign_for(hub: Hub, body: str) -> None:
    first = (hub.root / "executors/github-push.yaml").read_text()
    target = first[first.index("target:") :]
    (hub.root / "executors/push-notice.yaml").write_text(
        f"name: push-notice\ntrigger: {{webhook: {{source: github-push, events: [push]}}}}\n{target}"
    )
    ran = hub("webhook", "sign", "push-notice", "-d", body)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == 'error: executor "push-notice" gets what "github-push" receives: sign a request for that one.\n'


def test_a_missing_secret_is_told_with_its_place(hub: Hub, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUSH_SECRET")
    ran = hub("webhook", "sign", "github-push", "-d", body)
    assert (ran.status, ran.out) == (1, "")
    assert "executors/github-push.yaml:4:" in ran.err
    assert "PUSH_SECRET" in ran.err


def test_a_body_that_will_be_turned_away_is_signed_and_said_so(hub: Hub) -> None:
    ran = hub("webhook", "sign", "github-push", "-d", "-", stdin='{"ref": }')
    assert ran.status == 0
    assert "it will be turned away (body): the body cannot be read: it is not JSON: line 1, column 9." in ran.err
    assert "turned away" not in hub("webhook", "sign", "github-push", "-d", "-", stdin="{}").err


def test_a_body_that_no_shell_can_hold_is_refused(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "zero").write_bytes(json.dumps("x").encode() + b"\0")
    ran = hub("webhook", "sign", "github-push", "-d", str(tmp_path / "zero"))
    assert ran.status == 1
    assert "zero byte" in ran.err
    assert hub("webhook", "sign", "github-push", "-d", str(tmp_path / "none")).status == 2
