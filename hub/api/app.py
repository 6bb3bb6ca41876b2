"""The ASGI application: health, and the door for webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.model.errors import HubError
from hub.store import Store
from hub.triggers.webhook.answer import Answer, problem
from hub.triggers.webhook.guard import Guard

_NOT_STORED = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Readiness:
    """Whether the hub can do its work now."""

    def __init__(self, store: Store, troubles: Callable[[], list[str]]) -> None:
        self._store = store
        self._troubles = troubles

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Ready or not, and why not."""
        try:
            await self._store.status_of("")
        except (HubError, OSError) as error:
            return False, {"status": "not ready", "reasons": [f"the store cannot be read: {type(error).__name__}"]}
        reasons = self._troubles()
        return not reasons, {"status": "not ready" if reasons else "ready", "reasons": reasons}


def create_app(intake: ASGIApp, readiness: Readiness) -> ASGIApp:
    """Webhooks go straight to the intake; everything else is routed."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_NOT_STORED)

    async def readyz(_request: Request) -> Response:
        ready, report = await readiness.report()
        return JSONResponse(report, status_code=200 if ready else 503, headers=_NOT_STORED)

    routed = Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/webhooks/"):
            await intake(scope, receive, send)
        else:
            await routed(scope, receive, send)

    return Guard(app)


async def _refused(_request: Request, error: Exception) -> Response:
    """404, 405 and their like as problem documents (RFC 9457)."""
    assert isinstance(error, HTTPException)
    headers = tuple((name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items())
    return _response(problem(error.status_code, *headers))


async def _failed(_request: Request, _error: Exception) -> Response:
    """A fault of the hub. It is in the log, and not in the answer."""
    return _response(problem(500))


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    response.raw_headers = answer.raw_headers()
    return response
