"""The ASGI application: the door for webhooks, the API, and what other faces bring."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.operations import Operation
from hub.api.problems import problem_of
from hub.api.readiness import Readiness
from hub.api.resources import OPERATIONS
from hub.api.routing import JsonFace, Verify, routes
from hub.api.system import system_operations
from hub.client import Client
from hub.triggers.webhook.answer import SAFETY
from hub.triggers.webhook.guard import Guard

#: What answers beside the webhooks.
Routes = Sequence[BaseRoute]


def create_app(intake: ASGIApp, routes: Routes) -> ASGIApp:
    """Webhooks go straight to the intake; everything else is routed."""
    # A path with one slash more is another path, and there is nothing at it.
    routed = Router(routes=list(routes), default=_not_found, redirect_slashes=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/webhooks/"):
            await intake(scope, receive, send)
        else:
            await routed(scope, receive, _WithSafetyHeaders(send))

    return Guard(app)


def describe(readiness: Readiness, *, url: str = "", further: Sequence[Operation] = ()) -> tuple[Operation, ...]:
    """Every operation of the machines' face; /openapi.json describes them as they are reached at `url`."""
    described = (*OPERATIONS, *further)
    return (*described, *system_operations(readiness, described, url))


def machine_routes(
    client: Client, verify: Verify, readiness: Readiness, *, url: str = "", further: Sequence[Operation] = ()
) -> list[BaseRoute]:
    """The machines' face. Raises Undeclared."""
    return routes(describe(readiness, url=url, further=further), client, JsonFace(verify))


class _WithSafetyHeaders:
    """Sends answers with the headers that every answer has, where a route does not say otherwise."""

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in SAFETY:
                headers.setdefault(name.decode(), value.decode())
            message["headers"] = headers.raw
        await self._send(message)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    request = Request(scope, receive)
    answer: Response = problem_of(request, HTTPException(404))
    await answer(scope, receive, send)
