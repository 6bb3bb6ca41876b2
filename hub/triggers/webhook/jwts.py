"""JSON Web Tokens: OpenID bearers (Google Pub/Sub and others) and Plaid's token over the body's hash.

The algorithm comes from the key, never from the token, and keys come from the configured address alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.grammar import read_hex
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict, Wanted
from hub.triggers.webhook.scheme import Scheme
from hub.triggers.webhook.secrets import BadSecret, Key
from hub.triggers.webhook.tokens import credentials
from hub.triggers.webhook.verify import Checked, check_window

_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
_LEAST_HMAC_KEY = 32
_LEEWAY = 60_000
_PLAID = {"production": "https://production.plaid.com", "sandbox": "https://sandbox.plaid.com"}


class BearerVerifier(Checked):
    """A signed bearer token: issuer and audience must be named, keys come from `jwks_url`, `keys` or a shared secret."""

    def __init__(self, scheme: Scheme, secrets: Sequence[str], documents: Documents) -> None:
        options = scheme.options
        self.scheme = scheme
        self.keys: tuple[Key, ...] = ()
        self._issuers = _texts(options, "issuer")
        self._audiences = _texts(options, "audience")
        self._email = options.get("email")
        self._secrets = [secret.encode("utf-8", "surrogateescape") for secret in secrets]
        if any(len(secret) < _LEAST_HMAC_KEY for secret in self._secrets):
            raise BadSecret(f"a secret for HS256 has at least {_LEAST_HMAC_KEY} bytes")
        url = options.get("jwks_url")
        if url is not None and not (isinstance(url, str) and url.startswith("https://")):
            raise BadSecret("jwks_url must be an https address")
        self._wanted = Wanted(url) if url else None
        self._pinned = _key_set(options.get("keys", []))
        if not (self._secrets or self._wanted or self._pinned):
            raise BadSecret("jwt needs jwks_url, keys or a secret")
        self._documents = documents

    def judge(self, request: RawRequest, now_ms: int, /) -> Verdict:
        names = self.scheme.families[0].headers
        token = request.value(names[0]) if names else credentials(request, b"bearer")
        if token is None:
            raise Refusal("header", "the token is missing")
        claims, index = self._claims(token, now_ms)
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise Refusal("credential", "the token was issued by somebody else")
        audience = claims.get("aud")
        listed = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(one, str) and one in self._audiences for one in listed):
            raise Refusal("credential", "the token is meant for another receiver: look at audience")
        if self._email is not None and (claims.get("email") != self._email or claims.get("email_verified") is not True):
            raise Refusal("credential", "the token is of another account: look at email")
        return Verdict(ok=True, secret_index=index, timestamp=_check_times(claims, now_ms))

    def _claims(self, token: bytes, now_ms: int) -> tuple[dict[str, Any], int | None]:
        for index, secret in enumerate(self._secrets):
            claims = _decode(token, secret, "HS256")
            if claims is not None:
                return claims, index
        if self._wanted is None and not self._pinned:
            raise Refusal("signature", "the token's signature does not match the secret")
        kid = _header(token).get("kid")
        keys = self._pinned or self._fetched(now_ms)
        known = [key for key in keys if kid is None or key.get("kid") == kid]
        if not known:
            raise Refusal("key", "the token is signed with a key that its issuer does not list", needs=self._wanted)
        for key in known:
            claims = _with_jwk(token, key)
            if claims is not None:
                return claims, None
        raise Refusal("signature", "the token's signature does not match")

    def _fetched(self, now_ms: int) -> list[Mapping[str, Any]]:
        content = None if self._wanted is None else self._documents.get(self._wanted, now_ms)
        if content is None:
            raise Refusal("key", "the issuer's keys could not be fetched", needs=self._wanted)
        try:
            return _key_set(json.loads(content))
        except (ValueError, BadSecret):
            raise Refusal("key", "the issuer's keys cannot be read") from None


class PlaidVerifier(Checked):
    """Plaid: ES256 over the body's hash, at most five minutes old; keys by `kid`, fetched with the account's credentials."""

    def __init__(self, scheme: Scheme, secrets: Sequence[str], documents: Documents) -> None:
        options = scheme.options
        self.scheme = scheme
        self.keys: tuple[Key, ...] = ()
        self._pinned = _key_set(options.get("keys", []))
        self._client_id = options.get("client_id")
        self._secret = secrets[0] if secrets else ""
        base = _PLAID.get(str(options.get("environment", "production")))
        if base is None:
            raise BadSecret("environment must be production or sandbox")
        if not self._pinned and not (self._client_id and self._secret):
            raise BadSecret("plaid needs client_id and secret, to fetch its keys with, or keys")
        self._url = f"{base}/webhook_verification_key/get"
        self._documents = documents

    def judge(self, request: RawRequest, now_ms: int, /) -> Verdict:
        token = request.value(self.scheme.families[0].headers[0])
        if token is None:
            raise Refusal("header", "the header plaid-verification is missing")
        kid = _header(token).get("kid")
        if not isinstance(kid, str) or len(kid) > 100:  # noqa: PLR2004 - theirs are UUIDs
            raise Refusal("form", "the token does not name its key")
        claims = _with_jwk(token, self._key(kid, now_ms), only="EC")
        if claims is None:
            raise Refusal("signature", "the token's signature does not match")
        digest = claims.get("request_body_sha256")
        claimed = read_hex(digest.encode("latin-1", "replace")) if isinstance(digest, str) else None
        if claimed is None or not hmac.compare_digest(claimed, hashlib.sha256(request.body).digest()):
            raise Refusal("signature", "the body is not the one that the token was made for")
        issued = claims.get("iat")
        if not isinstance(issued, int) or isinstance(issued, bool):
            raise Refusal("form", "the token does not say when it was made")
        check_window(issued * 1000, now_ms, self.scheme.tolerance or 300_000)
        return Verdict(ok=True, timestamp=issued * 1000)

    def _key(self, kid: str, now_ms: int) -> Mapping[str, Any]:
        for key in self._pinned:
            if key.get("kid") == kid:
                return key
        if not self._client_id:
            raise Refusal("key", "the token is signed with an unknown key")
        asked = {"client_id": self._client_id, "secret": self._secret, "key_id": kid}
        wanted = Wanted(self._url, json.dumps(asked).encode())
        content = self._documents.get(wanted, now_ms)
        if content is None:
            raise Refusal("key", "Plaid's key could not be fetched", needs=wanted)
        try:
            found = _key_set([json.loads(content).get("key")])[0]
        except (ValueError, AttributeError, BadSecret):
            raise Refusal("key", "Plaid's key cannot be read") from None
        if found.get("expired_at") is not None:
            raise Refusal("key", "the token is signed with a key that Plaid has retired")
        return found


def _texts(options: Mapping[str, Any], name: str) -> frozenset[str]:
    value = options.get(name)
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(item, str) and item for item in values):
        raise BadSecret(f"jwt needs {name}: without it, anybody's token would do")
    return frozenset(values)


def _key_set(value: Any) -> list[Mapping[str, Any]]:
    """A JWK set, a list of keys, a single one, or keys by their ids. Raises BadSecret."""
    listed = value.get("keys", value) if isinstance(value, dict) else value
    if isinstance(listed, dict) and listed:
        named = {} if "kty" in listed else listed
        listed = [{"kid": kid, **key} if isinstance(key, dict) else key for kid, key in named.items()] or [listed]
    if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
        raise BadSecret("keys must be JSON Web Keys: a list or a mapping of them, or a set")
    return listed


def _header(token: bytes) -> dict[str, Any]:
    try:
        return dict(jwt.get_unverified_header(token))
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Refusal("form", "the token cannot be read") from None


def _with_jwk(token: bytes, key: Mapping[str, Any], only: str | None = None) -> dict[str, Any] | None:
    kind = str(key.get("kty"))
    algorithm = _ALGORITHMS.get(kind)
    if algorithm is None or (only is not None and kind != only) or key.get("alg", algorithm) != algorithm:
        return None
    try:
        public = jwt.PyJWK(dict(key), algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return _decode(token, public, algorithm)


def _decode(token: bytes, key: Any, algorithm: str) -> dict[str, Any] | None:
    """The claims of a token whose signature holds; times, issuer and audience are the caller's to check."""
    checks = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False, "verify_iss": False}
    try:
        claims = jwt.decode(token, key, algorithms=[algorithm], options=checks)  # type: ignore[arg-type]  # typed as a closed mapping
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    return dict(claims)


def _check_times(claims: Mapping[str, Any], now_ms: int) -> int | None:
    expires, begins, issued = (claims.get(name) for name in ("exp", "nbf", "iat"))
    if (
        expires is None
        or not _is_number(expires)
        or any(value is not None and not _is_number(value) for value in (begins, issued))
    ):
        raise Refusal("form", "the token does not say until when it holds")
    if now_ms > expires * 1000 + _LEEWAY:
        raise Refusal("window", "the token is right, but its time is over")
    if any(value is not None and now_ms < value * 1000 - _LEEWAY for value in (begins, issued)):
        raise Refusal("window", "the token is right, but its time has not begun")
    return None if issued is None else int(issued * 1000)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12  # noqa: PLR2004 - seconds of this and the next millennia
