"""Who is at the browser: the session's secret travels in a cookie that no other site and no script can use."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

#: With https the prefix makes browsers insist on `Secure`, path `/` and no other host (RFC 6265bis, 4.1.3.2).
_SECURE, _PLAIN = "__Host-hub-session", "hub-session"
#: What the forms of people who have not signed in are bound to.
_SECURE_VISITOR, _PLAIN_VISITOR = "__Host-hub-visitor", "hub-visitor"
_BYTES = 32
_LONGEST = 200


def session_secret(request: Request, *, secure: bool) -> str:
    """What the browser's cookie holds; empty when there is none."""
    return _cookie(request, _SECURE if secure else _PLAIN)


def visitor_secret(request: Request, *, secure: bool) -> str:
    return _cookie(request, _SECURE_VISITOR if secure else _PLAIN_VISITOR)


def keep_session(response: Response, secret: str, *, secure: bool) -> None:
    _keep(response, _SECURE if secure else _PLAIN, secret, secure=secure)


def keep_visitor(response: Response, secret: str, *, secure: bool) -> None:
    _keep(response, _SECURE_VISITOR if secure else _PLAIN_VISITOR, secret, secure=secure)


def forget_session(response: Response, *, secure: bool) -> None:
    name = _SECURE if secure else _PLAIN
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")


def new_visitor() -> str:
    return secrets.token_urlsafe(_BYTES)


def _cookie(request: Request, name: str) -> str:
    found = request.cookies.get(name, "")
    return found if len(found) <= _LONGEST else ""


def _keep(response: Response, name: str, secret: str, *, secure: bool) -> None:
    response.set_cookie(name, secret, path="/", secure=secure, httponly=True, samesite="strict")
