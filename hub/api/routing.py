"""From declared operations to routes: who asks, whether they may, what they ask; then the handler.

Who may is decided on the route that was matched, never on the text of a path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.api.operations import PUBLIC, Call, Operation, check_declared
from hub.api.problems import NoCredential, answer, problem_of
from hub.api.requests import body_of, path_of, query_of
from hub.client import Client
from hub.model.identity import ANONYMOUS, Principal

#: Seconds after which somebody who waits for the store is told so.
PATIENCE = 8.0


class Face(Protocol):
    """What differs between the machines' face and the people's."""

    async def principal(self, request: Request) -> Principal:
        """Who asks. Raises Unauthenticated, or what else `failed` knows to tell."""
        ...

    def failed(self, request: Request, error: Exception) -> Response:
        """The answer when it came to nothing."""
        ...


#: Who holds a bearer token that came with a request. Raises HubError.
Verify = Callable[[str, Request], Awaitable[Principal]]


class JsonFace:
    """Bearer tokens in, problem documents out."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify

    async def principal(self, request: Request) -> Principal:
        return await self._verify(bearer(request), request)

    def failed(self, request: Request, error: Exception) -> Response:
        return problem_of(request, error)


def bearer(request: Request) -> str:
    """The token of a request (RFC 6750, 2.1): in its one Authorization header, and nowhere else."""
    given = request.headers.getlist("authorization")
    if not given:
        raise NoCredential("a bearer token is needed: Authorization: Bearer TOKEN.")
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise NoCredential("one bearer token is needed: Authorization: Bearer TOKEN.", "invalid_request")
    return token.strip()


def routes(operations: Sequence[Operation], client: Client, face: Face) -> list[BaseRoute]:
    """One route a path. Raises Undeclared when one does not say who may use it."""
    check_declared(operations)
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    # Words before parameters: `/executions/count` is not the execution called count.
    return [_route(path, by_path[path], client, face) for path in sorted(by_path, key=_order)]


def _order(path: str) -> list[str]:
    return [part.replace("{", "~") for part in path.split("/")]


def _route(path: str, methods: dict[str, Operation], client: Client, face: Face) -> Route:
    async def endpoint(request: Request) -> Response:
        operation = methods.get("GET" if request.method == "HEAD" else request.method)
        try:
            if operation is not None:
                return await _done(request, operation, client, face)
        except Exception as error:  # noqa: BLE001 - every error has an answer, and a fault is in the log
            return face.failed(request, error)
        return face.failed(request, HTTPException(405, headers={"allow": ", ".join(_allowed(methods))}))

    return Route(path, endpoint, methods=_EVERY)


#: Routes take every method, and say themselves which they know: the list in Allow is then complete.
_EVERY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def _allowed(methods: Iterable[str]) -> list[str]:
    return sorted({*methods, *({"HEAD"} if "GET" in methods else ())})


async def _done(request: Request, operation: Operation, client: Client, face: Face) -> Response:
    path = path_of(request)
    principal = ANONYMOUS
    clock = asyncio.get_running_loop().time
    until = clock() + PATIENCE
    if operation.action != PUBLIC:
        async with asyncio.timeout_at(until):
            principal = await face.principal(request)
            name = None if operation.names is None else path[operation.names]
            what = f"{operation.action.partition(':')[0]} {name or path.get('id', '')}".strip()
            asked = client.acting_as(principal)
            await asked.refuse_unless_allowed(operation.action, name, what, changes=operation.method != "GET")
    query = query_of(request, operation)
    begun = clock()
    body = await body_of(request, operation) if request.method not in ("GET", "HEAD") else None
    until += clock() - begun  # a slow sender takes nothing of the store's time
    call = Call(client.acting_as(principal), principal, path, query, body, request=request)
    async with asyncio.timeout_at(until):
        made = await operation.handle(call)
    return made if isinstance(made, Response) else answer(made, operation.status)
