"""The console as an ASGI application under /console: every page declared, every form proven, every fault a sentence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.api.routing import PATIENCE
from hub.console.every import ALL
from hub.console.headers import Headers
from hub.console.installation import Installation
from hub.console.page import PUBLIC, SIGNED_IN, Page
from hub.console.proof import FIELD, from_here, holds
from hub.console.rendering import STATIC, address
from hub.console.sessions import keep_visitor, new_visitor, session_secret, visitor_secret
from hub.console.visit import Visit
from hub.model.clock import new_id
from hub.model.errors import BadInput, Conflict, HubError, NotFound, Refused
from hub.model.identity import ANONYMOUS, allows

log = logging.getLogger(__name__)

PREFIX = "/console"
#: Bytes of a form.
_LARGEST_FORM = 1_048_576
_A_YEAR = "public, max-age=31536000, immutable"
_FAMILIES: Sequence[tuple[type[HubError], int]] = (
    (NotFound, 404),
    (Refused, 403),
    (Conflict, 409),
    (BadInput, 422),
)


class ConsoleRoute(BaseRoute):
    """All of the console among the routes of a server: /console, and whatever is below it."""

    def __init__(self, installation: Installation) -> None:
        self._app = create_console(installation)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope["path"]
        ours = scope["type"] == "http" and (path == PREFIX or path.startswith(f"{PREFIX}/"))
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def create_console(installation: Installation, pages: Sequence[Page] = ALL) -> ASGIApp:
    """The console of one hub. It answers paths that begin with /console."""
    routes = [
        Route(PREFIX + page.path, _answering(installation, page), methods=[page.method], max_body_size=_LARGEST_FORM)
        for page in pages
    ]
    return Headers(
        Starlette(
            routes=[Mount(f"{PREFIX}/static", _Static(directory=STATIC)), *routes],
            exception_handlers={
                HTTPException: _handler(installation, _missing),
                HubError: _handler(installation, _sentence),
                Exception: _handler(installation, _fault),
            },
        )
    )


class _Static(StaticFiles):
    """Files whose addresses change with their content: they may be kept."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == HTTPStatus.OK and scope["query_string"]:
            response.headers["cache-control"] = _A_YEAR
        return response


def _answering(installation: Installation, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        visit = await _visit(installation, request)
        if page.action != PUBLIC and visit.person is ANONYMOUS:
            return _to_the_door(request)
        if page.action not in (PUBLIC, SIGNED_IN) and not allows(visit.person, page.action, None):
            raise Refused(str(visit.person), page.action)
        if page.method == "POST":
            visit.form = await request.form(max_files=0, max_fields=100, max_part_size=_LARGEST_FORM)
            if not from_here(request.headers, installation.address) or not _proven(visit):
                return _page(
                    visit, 403, "This form is not from this session's page. Load the page again, and send it anew."
                )
        try:
            async with asyncio.timeout(PATIENCE):
                response = await page.answer(visit)
        except TimeoutError:
            return _page(visit, 503, _LATE_CHANGE if page.method == "POST" else _LATE)
        if visit.person is ANONYMOUS and not visitor_secret(request, secure=installation.secure):
            keep_visitor(response, visit.secret, secure=installation.secure)
        return response

    return answer


async def _visit(installation: Installation, request: Request) -> Visit:
    secret = session_secret(request, secure=installation.secure)
    person = await installation.client.session(secret) if secret else None
    if person is None:
        secret = visitor_secret(request, secure=installation.secure) or new_visitor()
        person = ANONYMOUS
    return Visit(request, installation, installation.client.acting_as(person), person, secret)


def _proven(visit: Visit) -> bool:
    given = visit.form.get(FIELD)
    return isinstance(given, str) and holds(visit.secret, given)


def _to_the_door(request: Request) -> Response:
    """Sign in first, then come back here."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"hx-redirect": f"{PREFIX}/sign-in"})
    wanted = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    wanted = wanted if request.method == "GET" and wanted != PREFIX else ""
    return RedirectResponse(address(f"{PREFIX}/sign-in", next=wanted), status_code=303)


_LATE = "The store did not answer in time. Try again in a moment."
_LATE_CHANGE = "The store did not answer in time: what you asked for may have been done, or be done yet. Look before you try again."

Answer = Callable[[Visit, Exception], Response]


def _handler(installation: Installation, answer: Answer) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        try:
            visit = await _visit(installation, request)
        except HubError:
            visit = Visit(request, installation, installation.client, ANONYMOUS, "")
        return answer(visit, error)

    return handle


def _missing(visit: Visit, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _page(visit, 404, "There is no such page.")
    response = _page(visit, error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


def _sentence(visit: Visit, error: Exception) -> Response:
    """An error of the hub is a sentence for whoever reads it."""
    later = isinstance(error, HubError) and error.retryable
    status = next((status for family, status in _FAMILIES if isinstance(error, family)), 503 if later else 500)
    return _page(visit, status, str(error))


def _fault(visit: Visit, error: Exception) -> Response:
    """A fault of the console: it is in the log under an id, and the page gives that."""
    identifier = new_id(visit.now)
    log.error("console %s %s: fault %s", visit.request.method, visit.request.url.path, identifier, exc_info=error)
    return _page(visit, 500, f"Something went wrong here, and is in the hub's log as {identifier}.")


def _page(visit: Visit, status: int, sentence: str) -> Response:
    return visit.show("error.html", status, sentence=sentence, status_code=status)
