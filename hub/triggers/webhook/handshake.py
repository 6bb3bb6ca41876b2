"""The questions that senders ask once, before they send anything real; no run ever starts from one.

Those in `unproven` are answered before the sender is known, so they give back little and only harmless characters.
Those in `proven` come signed, and the signature is checked first: whoever answers an unsigned one signs for strangers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.triggers.webhook.answer import Answer, json_answer, problem, text_answer
from hub.triggers.webhook.request import RawRequest, Refusal, at
from hub.triggers.webhook.scheme import Scheme
from hub.triggers.webhook.secrets import Key

_ECHO = re.compile(r"[A-Za-z0-9_.~-]{1,256}")
# Graph's tokens are sentences with spaces and colons; nothing that could open a tag is among the characters.
_GRAPH = re.compile(r"[A-Za-z0-9 _.~:;,+/=@()-]{1,2048}")
_CRC = re.compile(r"[A-Za-z0-9_.~+/=-]{1,256}")
_ORIGIN = re.compile(r"[A-Za-z0-9.-]{1,253}")
_RATE = re.compile(rb"[0-9]{1,9}|\*")

_PING = re.compile(rb"webhook_id=[0-9]{1,20}")

_ALL_RATE = b"120"

#: Methods that a handshake needs beside the trigger's own.
METHODS: Mapping[str, str] = {"meta": "GET", "echo": "GET", "twitter_crc": "GET", "cloudevents": "OPTIONS"}


def unproven(scheme: Scheme, keys: Sequence[Key], request: RawRequest) -> Answer | None:
    """The answer to a handshake that needs no signature; None when this is none. Raises Refusal for doubled parameters."""
    answer = _UNPROVEN.get(scheme.handshake)
    return None if answer is None else answer(scheme, keys, request)


def proven(scheme: Scheme, keys: Sequence[Key], index: int | None, request: RawRequest, value: Any) -> Answer | None:
    """The answer to a handshake whose signature held (with key number `index`); None when this is a real delivery."""
    match scheme.handshake:
        case "slack" if at(value, ("type",)) == "url_verification":
            return _echo_field(at(value, ("challenge",)))
        case "twitch" if request.value(b"twitch-eventsub-message-type") == b"webhook_callback_verification":
            return _echo_field(at(value, ("challenge",)))
        case "zoom" if at(value, ("event",)) == "endpoint.url_validation":
            return _zoom(at(value, ("payload", "plainToken")), keys, index)
        case "discord":
            kind = at(value, ("type",))
            # Interactions ping with 1, webhook events with 0; a webhook event itself is a 1 that holds an event.
            if kind == 0:
                return Answer(204)
            return json_answer({"type": 1}) if kind == 1 and at(value, ("event",)) is None else None
        case "empty" if at(value, ("events",)) == []:
            return Answer(200)
        case "eventgrid" if asks_validation(scheme, request):
            return _validation(at(value, (0, "data", "validationCode")))
    return None


def asks_validation(scheme: Scheme, request: RawRequest) -> bool:
    """Whether Event Grid asks if it may send; the answer is always one to the question, and nothing is stored."""
    return scheme.handshake == "eventgrid" and request.value(b"aeg-event-type") == b"SubscriptionValidation"


def _zoom(token: Any, keys: Sequence[Key], index: int | None) -> Answer:
    if not isinstance(token, str) or _CRC.fullmatch(token) is None or not keys:
        return problem(400)
    digest = hmac.digest(keys[index or 0].raw, token.encode(), "sha256").hex()
    return json_answer({"plainToken": token, "encryptedToken": digest})


def _validation(code: Any) -> Answer:
    if not isinstance(code, str) or _ECHO.fullmatch(code) is None:
        return problem(400)
    return json_answer({"validationResponse": code})


def _echo_field(value: Any) -> Answer:
    if not isinstance(value, str) or _CRC.fullmatch(value) is None:
        return problem(400)
    return text_answer(value)


def _meta(scheme: Scheme, _keys: Sequence[Key], request: RawRequest) -> Answer | None:
    if request.method != "GET":
        return None
    challenge, token = request.query("hub.challenge"), request.query("hub.verify_token")
    if request.query("hub.mode") != "subscribe" or challenge is None:
        return problem(400)
    wanted = scheme.options.get("verify_token")
    if not isinstance(wanted, str) or not wanted or not _same(wanted, token or ""):
        return problem(403, reason="verify_token is another one than the file's")
    return text_answer(challenge) if _ECHO.fullmatch(challenge) else problem(400)


def _echo(_scheme: Scheme, _keys: Sequence[Key], request: RawRequest) -> Answer | None:
    if request.method != "GET":
        return None
    challenge = request.query("challenge")
    return text_answer(challenge) if challenge is not None and _ECHO.fullmatch(challenge) else problem(400)


def _graph(_scheme: Scheme, _keys: Sequence[Key], request: RawRequest) -> Answer | None:
    token = request.query("validationToken") if request.method == "POST" and "validationToken=" in request.url else None
    if token is None:
        return None
    return text_answer(token) if _GRAPH.fullmatch(token) else problem(400)


def _woocommerce(scheme: Scheme, _keys: Sequence[Key], request: RawRequest) -> Answer | None:
    """The ping of a shop that saves its webhook: a form without a signature, which has to be answered 200."""
    signed = any(request.values(name) for family in scheme.families for name in family.headers)
    return None if signed or _PING.fullmatch(request.body) is None else Answer(200)


def _twitter(_scheme: Scheme, keys: Sequence[Key], request: RawRequest) -> Answer | None:
    if request.method != "GET":
        return None
    token = request.query("crc_token")
    if token is None or _CRC.fullmatch(token) is None or not keys:
        return problem(400)
    digest = base64.b64encode(hmac.digest(keys[0].raw, token.encode(), "sha256")).decode()
    return json_answer({"response_token": f"sha256={digest}"})


def _cloudevents(scheme: Scheme, _keys: Sequence[Key], request: RawRequest) -> Answer | None:
    """Consent to be sent to (CloudEvents, HTTP 1.1 Web Hooks, section 4); it proves nothing about who asks."""
    if request.method != "OPTIONS":
        return None
    origin = (request.value(b"webhook-request-origin") or b"").decode("latin-1")
    if _ORIGIN.fullmatch(origin) is None:
        return problem(405, (b"allow", b"POST"))
    named = scheme.options.get("origins", [])
    allowed = [named] if isinstance(named, str) else named
    if "*" not in allowed and origin.lower() not in (str(one).lower() for one in allowed):
        return problem(403, reason=f"the origin {origin} is not one of origins")
    rate = request.value(b"webhook-request-rate") or _ALL_RATE
    headers = (
        (b"webhook-allowed-origin", origin.encode()),
        (b"webhook-allowed-rate", rate if _RATE.fullmatch(rate) else _ALL_RATE),
        (b"allow", b"POST"),
    )
    return Answer(200, headers=headers)


_UNPROVEN: Mapping[str, Callable[[Scheme, Sequence[Key], RawRequest], Answer | None]] = {
    "meta": _meta,
    "echo": _echo,
    "msgraph": _graph,
    "twitter_crc": _twitter,
    "woocommerce": _woocommerce,
    "cloudevents": _cloudevents,
}


def first_token(scheme: Scheme, request: RawRequest) -> str | None:
    """Notion's key, which comes unsigned in the first request while none is configured; for the operator to copy."""
    if (
        scheme.handshake != "notion"
        or request.method != "POST"
        or any(request.values(name) for name in scheme.families[0].headers)
    ):
        return None
    try:
        token = request.field(("verification_token",))
    except Refusal:
        return None
    return token if isinstance(token, str) and _CRC.fullmatch(token) else None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        hashlib.sha256(one.encode()).digest(), hashlib.sha256(other.encode("utf-8", "replace")).digest()
    )
