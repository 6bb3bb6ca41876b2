"""A hub elsewhere, asked through its API: `--server URL --token TOKEN`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from hub.api.operations import Operation
from hub.cli.asking import BY_ID, Desk, Tell, sorted_out
from hub.model.errors import BadInput, HubError, StoreUnavailable
from hub.model.execution import ENDED

_PATIENCE = 30.0
_AGAIN = 1.0
_SOONEST = 0.2


class RemoteProblem(HubError):
    """What the other hub said instead of an answer."""


@asynccontextmanager
async def remote_desk(server: str, token: str | None) -> AsyncIterator[RemoteDesk]:
    """Raises BadInput for an address that is none."""
    address = httpx.URL(server)
    if address.scheme not in ("http", "https") or not address.host:
        raise BadInput(f"--server {server} is no address: write http://HOST:PORT or https://HOST.")
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=_PATIENCE) as http:
        yield RemoteDesk(http)


class RemoteDesk:
    """The API of another hub."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, operation: str, **arguments: Any) -> Any:
        found = BY_ID[operation]
        path, query, body = sorted_out(found, arguments)
        spoken = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        how = {} if body is None else {"json": body}
        try:
            answer = await self._http.request(found.method, _address(found, path), params=spoken, **how)
        except httpx.HTTPError as error:
            raise _out_of_reach(self._http, error) from None
        return _value(answer)

    async def wait(self, execution_id: str, *, seconds: float | None, poll: float, tell: Tell | None) -> dict[str, Any]:
        """It runs there; nothing of it is done here."""
        try:
            async with asyncio.timeout(seconds):
                if tell is not None:
                    await self._follow(execution_id, tell)
                while True:
                    found: dict[str, Any] = await self.ask("getExecution", id=execution_id)
                    if found["status"] in ENDED:
                        return found
                    await asyncio.sleep(max(poll, _SOONEST))
        except TimeoutError:
            raise TimeoutError(f"execution {execution_id} has not ended yet; it goes on.") from None

    def acting_as(self, name: str, namespace: str | None) -> Desk:
        del namespace
        raise BadInput(f"a hub elsewhere knows who asks by the token: take one of {name}, and leave the option out.")

    async def _follow(self, execution_id: str, tell: Tell) -> None:
        """Its lines as they are written, also when the connection breaks meanwhile."""
        last = 0
        while True:
            try:
                path = f"/api/v1/executions/{quote(execution_id, safe='')}/stream"
                async with self._http.stream("GET", path, params={"after": last}) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        _value(answer)
                    async for kind, value in _events(answer):
                        if kind == "log":
                            last = value["number"]
                            tell(value)
                        elif kind == "end":
                            return
                        elif kind == "problem":
                            raise RemoteProblem(str(value.get("detail")))
            except httpx.HTTPError:
                await asyncio.sleep(_AGAIN)


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """Kind and data of each server-sent event."""
    kind = ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


def _address(operation: Operation, path: dict[str, str]) -> str:
    return operation.path.format(**{name: quote(value, safe="") for name, value in path.items()})


def _value(answer: httpx.Response) -> Any:
    """What was answered. Raises RemoteProblem."""
    try:
        value = answer.json()
    except ValueError:
        value = None
    if answer.is_success and value is not None:
        return value
    # What the hub itself does not find it names; a route that it does not have it does not.
    told = value.get("detail", "") if isinstance(value, dict) else ""
    nowhere = answer.status_code == httpx.codes.NOT_FOUND and '"' not in told
    if isinstance(value, dict) and "detail" in value and not nowhere:
        more = f" (its log says more under {value.get('id')})" if answer.is_server_error else ""
        raise RemoteProblem(f"{value['detail']}{more}")
    raise RemoteProblem(f"{answer.url.host} answered {answer.status_code}, and not as a hub does: is --server right?")


def _out_of_reach(http: httpx.AsyncClient, error: httpx.HTTPError) -> HubError:
    why = str(error) or type(error).__name__
    return StoreUnavailable(f"{http.base_url} cannot be reached: {why}.")
