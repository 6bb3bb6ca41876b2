from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from kit import NOON, FakeClock

from hub.identity.keys import KeyFile
from hub.identity.tokens import LIFETIME, TokenClaims, Tokens
from hub.model.errors import BadInput, Unauthenticated

CLAIMS = TokenClaims("main-auth", "bot", "secret-1", None, NOON)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tokens(tmp_path: Path, clock: FakeClock) -> Tokens:
    return Tokens(KeyFile(tmp_path / "var/token.keys", clock), clock)


def said(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def forged(tokens: Tokens, algorithm: str = "HS256", header: dict[str, Any] | None = None, **changed: Any) -> str:
    """A token that is signed with the right key, and says something else; a claim that is None is left out."""
    keys = tokens.keys.load()
    claims = {**said(tokens.issue(CLAIMS, "one")), **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, keys.keys[0].key, algorithm=algorithm, headers=header or {"kid": keys.keys[0].id})


def test_a_token_says_who_it_is_and_nothing_of_what_they_may(tokens: Tokens) -> None:
    token = tokens.issue(replace(CLAIMS, scope=("workflow:start:a-*",)), "one")
    assert tokens.read(token) == replace(CLAIMS, scope=("workflow:start:a-*",))
    assert set(said(token)) == {"iss", "aud", "sub", "iat", "exp", "jti", "sid", "scope"}
    assert tokens.read(tokens.issue(CLAIMS, "two")) == CLAIMS


def test_it_ends_after_an_hour(tokens: Tokens, clock: FakeClock) -> None:
    token = tokens.issue(CLAIMS, "one")
    clock.advance(LIFETIME - 1)
    assert tokens.read(token) == CLAIMS
    clock.advance(1)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.read(token)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"aud": ["another"]},
        {"exp": NOON // 1000 + LIFETIME + 1},
        {"exp": 10**400},
        {"exp": "soon"},
        {"iat": NOON // 1000 + 60},
        {"iat": None},
        {"exp": None},
        {"sub": None},
        {"aud": None},
        {"iss": None},
        {"jti": None},
    ],
    ids=str,
)
def test_claims_are_pinned(tokens: Tokens, changed: dict[str, Any]) -> None:
    assert tokens.read(forged(tokens)) == CLAIMS
    with pytest.raises(Unauthenticated):
        tokens.read(forged(tokens, **changed))


def test_the_algorithm_is_ours_to_say(tokens: Tokens) -> None:
    for algorithm in ("HS384", "HS512"):
        with pytest.raises(Unauthenticated):
            tokens.read(forged(tokens, algorithm))
    head, body, _ = tokens.issue(CLAIMS, "one").split(".")
    kid = tokens.keys.load().keys[0].id
    for name in ("none", "None", "HS256", "RS256", ""):
        header = (
            base64.urlsafe_b64encode(json.dumps({"alg": name, "typ": "JWT", "kid": kid}).encode()).decode().rstrip("=")
        )
        for signature in ("", "AAAA"):
            with pytest.raises(Unauthenticated):
                tokens.read(f"{header}.{body}.{signature}")
    with pytest.raises(Unauthenticated):
        tokens.read(f"{head}.{body}.")


@pytest.mark.parametrize("kid", ["", "unknown", "../token.keys", None, 7, ["x"], {"a": 1}])
def test_an_unknown_key_is_no_key(tokens: Tokens, kid: Any) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode()).decode().rstrip("=")
    token = ".".join([header, *tokens.issue(CLAIMS, "one").split(".")[1:]])
    with pytest.raises(Unauthenticated):
        tokens.read(token)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "é.é.é", "\x00", "x" * 100_000, "hubmu_abc", "e30.e30.", "\ud800"]
)
def test_garbage_is_refused(tokens: Tokens, text: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(text)


def test_two_installations_do_not_believe_each_other(tmp_path: Path, clock: FakeClock) -> None:
    one, other = (Tokens(KeyFile(tmp_path / name / "token.keys", clock), clock) for name in ("one", "other"))
    with pytest.raises(Unauthenticated):
        other.read(one.issue(CLAIMS, "one"))
    assert one.keys.load().keys[0].key != other.keys.load().keys[0].key


def test_keys_rotate_and_the_last_one_is_believed_for_a_while(tokens: Tokens) -> None:
    first = tokens.issue(CLAIMS, "one")
    tokens.keys.rotate()
    second = tokens.issue(CLAIMS, "two")
    assert jwt.get_unverified_header(first)["kid"] != jwt.get_unverified_header(second)["kid"]
    assert tokens.read(first) == tokens.read(second) == CLAIMS
    tokens.keys.rotate()
    assert tokens.read(second) == CLAIMS
    with pytest.raises(Unauthenticated):
        tokens.read(first)


def test_another_process_sees_a_rotated_key(tmp_path: Path, clock: FakeClock) -> None:
    here, there = (Tokens(KeyFile(tmp_path / "token.keys", clock), clock) for _ in range(2))
    here.read(there.issue(CLAIMS, "one"))
    there.keys.rotate()
    assert here.read(there.issue(CLAIMS, "two")) == CLAIMS


def test_the_file_is_its_owners_alone(tokens: Tokens, tmp_path: Path) -> None:
    tokens.keys.load()
    path = tmp_path / "var/token.keys"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert all(len(one.key) >= 32 for one in tokens.keys.load().keys)
    tokens.keys.rotate()
    assert path.stat().st_mode & 0o777 == 0o600
    for mode in (0o640, 0o604, 0o644, 0o620):
        path.chmod(mode)
        with pytest.raises(BadInput, match="chmod 600"):
            tokens.issue(CLAIMS, "one")
        with pytest.raises(BadInput, match="other users"):
            tokens.read("a.b.c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"installation": "x", "keys": []}',
        '{"installation": "x", "keys": [{"id": "a", "key": "YQ==", "created_at": 1}]}',
    ],
)
def test_a_damaged_or_weak_key_is_not_used(tmp_path: Path, clock: FakeClock, text: str) -> None:
    path = tmp_path / "token.keys"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadInput, match="32 bytes"):
        KeyFile(path, clock).load()


def test_a_key_does_not_show_itself(tokens: Tokens) -> None:
    key = tokens.keys.load().keys[0]
    assert base64.b64encode(key.key).decode() not in repr(tokens.keys.load())
    assert repr(key.key) not in repr(key)


def test_two_processes_that_begin_together_make_one_key(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "token.keys"
    made = KeyFile(path, clock)._new()
    late = KeyFile(path, clock)
    first = KeyFile(path, clock).load()
    late._write(replace(first, keys=(made,)), fresh=True)
    assert late.load() == first
    assert list(tmp_path.iterdir()) == [path]
