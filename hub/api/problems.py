"""Every error as a problem document (RFC 9457): one table from the family in `hub.model.errors` to a status.

A document has the usual members, and `id`, under which the hub's log has more. It never holds a traceback, SQL, a path of
the machine or a version.
"""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hub.model.errors import (
    BadInput,
    ConfigError,
    Conflict,
    HubError,
    InvalidArguments,
    NotFound,
    NotJson,
    Refused,
    StoreUnavailable,
    TooManyTries,
    Unauthenticated,
)
from hub.triggers.webhook.answer import PROBLEM, SAFETY, safe_json

log = logging.getLogger(__name__)

_RETRY_AFTER = 1
_SERVER_FAULT = 500
#: What a sentence of the hub's may not tell a stranger, because it speaks of files or of the database.
_KEPT_BACK = (StoreUnavailable, ConfigError)

_DETAILS = {
    400: "The request cannot be read.",
    404: "There is nothing here.",
    405: "This method is not taken here.",
    409: "The files of the project cannot be used as they are.",
    413: "The body is too large.",
    500: "The hub failed. Its log says more under this id.",
    503: "The store could not be asked in time. Try again.",
}
#: The same, to whoever asked for a change: nobody knows what has become of it.
_UNKNOWN = (
    "The store did not answer in time: what you asked for may have been done, or be done yet. Look before you ask again; where an "
    "idempotency_key was given, asking again with the same one does it once."
)


class Unreadable(HubError):
    """The request itself cannot be understood."""

    status = 400


class TooLarge(Unreadable):
    """Its body is longer than the hub reads."""

    status = 413


class WrongType(Unreadable):
    """Its body is of a media type that is not taken here."""

    status = 415


class Unfit(Unreadable):
    """Its body is JSON, and not of the shape that is asked for."""

    status = 422


class NoCredential(Unauthenticated):
    """No credential was given, or one that is none. `error` is of RFC 6750, 3.1; None when nothing was given."""

    def __init__(self, text: str, error: str | None = None) -> None:
        self.error = error
        super().__init__(text)


class TooMany(HubError):
    """Too much at the same time, or too often."""

    retryable = True

    def __init__(self, text: str, seconds: int = _RETRY_AFTER) -> None:
        self.seconds = seconds
        super().__init__(text)


#: The first line that an error is one of. What is not in it may work later, or is a fault of the hub.
STATUS_OF: tuple[tuple[type[HubError], int], ...] = (
    (Unauthenticated, 401),
    (Refused, 403),
    (NotFound, 404),
    (Conflict, 409),
    (ConfigError, 409),
    (InvalidArguments, 422),
    (NotJson, 422),
    (BadInput, 422),
    (TooMany, 429),
    (TooManyTries, 429),
)


def status_of(error: Exception) -> int:
    """The status that tells of an error."""
    if isinstance(error, Unreadable):
        return error.status
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, TimeoutError):
        return 503
    later = isinstance(error, HubError) and error.retryable
    return next((status for family, status in STATUS_OF if isinstance(error, family)), 503 if later else _SERVER_FAULT)


def problem_of(request: Request, error: Exception) -> Response:
    """The answer to a request that came to nothing."""
    status, name = status_of(error), secrets.token_hex(8)
    headers = {key.lower(): value for key, value in (getattr(error, "headers", None) or {}).items()}
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = _challenge(error)
    if isinstance(error, TooMany | TooManyTries):
        headers["retry-after"] = str(error.seconds)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(_RETRY_AFTER)
    if status >= _SERVER_FAULT and not (isinstance(error, StoreUnavailable) and error.said):
        fault = error if status == _SERVER_FAULT else None
        log.error("%s %s: error %s: %s", request.method, request.url.path, name, error, exc_info=fault)
    told = isinstance(error, HubError) and not isinstance(error, _KEPT_BACK)
    changes = status == HTTPStatus.SERVICE_UNAVAILABLE and request.method not in ("GET", "HEAD")
    usual = _UNKNOWN if changes else _DETAILS.get(status, HTTPStatus(status).description)
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": str(error) if told else usual,
        "id": name,
    }
    return answer(document, status, headers, PROBLEM)


def _challenge(error: Unauthenticated) -> str:
    word = error.error if isinstance(error, NoCredential) else "invalid_token"
    return 'Bearer realm="hub"' + (f', error="{word}"' if word else "")


def answer(
    value: Any, status: int = 200, headers: dict[str, str] | None = None, media_type: bytes = b"application/json"
) -> Response:
    """A JSON answer, harmless to a browser."""
    body = safe_json(value)
    response = Response(body, status)
    response.raw_headers = [
        (b"content-length", b"%d" % len(body)),
        (b"content-type", media_type),
        *SAFETY,
        *[(key.encode("latin-1"), one.encode("latin-1", "replace")) for key, one in (headers or {}).items()],
    ]
    return response
