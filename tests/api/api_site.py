"""A small project behind the API, without a socket: real files, store, dispatch and worker; who holds which token is a table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
from kit import work_off

from hub.api.app import create_app, describe, machine_routes
from hub.api.live import Live
from hub.api.metrics import Metrics, metrics_operations
from hub.api.readiness import Readiness
from hub.api.streams import stream_operations
from hub.assembly.files import read_files
from hub.assembly.parts import Parts, open_parts
from hub.client import Client
from hub.drivers import ProjectDriver
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.identity.gate import Gate
from hub.model.clock import Clock
from hub.model.errors import TooManyTries, Unauthenticated
from hub.model.identity import ANONYMOUS, Principal, person
from hub.store import Store
from hub.store.counting import Counts

CONFIG = """\
store: sqlite:///var/hub.db
auth:
  main-auth:
    machine_users:
      admin: {permissions: [admin]}
      bot: {attributes: {role: worker}, permissions: ["workflow:start:adding"]}
      reader: {permissions: ["executor:read", "execution:read", "execution:logs", "event:read"]}
      idle: {permissions: []}
      twin: {permissions: []}
  other-auth:
    machine_users:
      twin: {permissions: []}
"""

WORKFLOWS = """\
from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from hub import Context, NonRetryable, job, wait_point, workflow

approval = wait_point("approval")


class Number(BaseModel):
    n: int = 0


@job
def double(input: Number, ctx: Context) -> int:
    ctx.log.info("doubling %d", input.n)
    return input.n * 2


@job
async def add(input: Number, ctx: Context) -> dict[str, int]:
    return {"sum": input.n + await double.trigger(input)}


@job
async def fall_over(input: Number, ctx: Context) -> int:
    raise NonRetryable("it is Monday")


@job
async def ask(input: Number, ctx: Context) -> bool:
    answer = await approval.wait({"n": input.n})
    return bool(answer)


adding = workflow(name="adding", main_job=add)
failing = workflow(name="failing", main_job=fall_over)
asking = workflow(name="asking", main_job=ask)
"""

EXECUTORS = {
    "number-hook": """\
trigger:
  webhook: {}
  condition: args.body.n > 0
target:
  workflow:
    workflow_name: adding
    invoker: {machine_user: {auth_namespace: main-auth, name: bot}}
    variables: "({ n: args.body.n })"
""",
    "nightly": """\
trigger: {schedule: {cron: "0 2 * * *", timezone: Europe/Berlin}}
target:
  workflow: {workflow_name: adding, invoker: anonymous, variables: "({ n: 1 })"}
""",
}

#: Token -> who holds it.
TOKENS: dict[str, Principal] = {
    "admin": Principal("machine_user", "admin", "main-auth", ("admin",)),
    "bot": Principal("machine_user", "bot", "main-auth", ("workflow:start:adding",)),
    "viewer": person("vera", "viewer"),
    "operator": person("otto", "operator"),
    "idle": Principal("machine_user", "idle", "main-auth", ()),
}


async def verify(token: str, _request: object = None) -> Principal:
    if token == "one too many":
        raise TooManyTries(7)
    if token not in TOKENS:
        raise Unauthenticated
    return TOKENS[token]


def write_project(root: Path, executors: Mapping[str, str] = EXECUTORS) -> Path:
    for name, text in {
        "config/hub.yaml": CONFIG,
        "workflows/small.py": WORKFLOWS,
        **{f"executors/{name}.yaml": f"name: {name}\n{text}" for name, text in executors.items()},
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "var").mkdir(exist_ok=True)
    return root


class ApiSite:
    """A hub and a client of its API."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.worker, _ = parts.worker()
        self.troubles: list[str] = []
        self._addresses = count()
        readiness = Readiness(parts.store, lambda: self.troubles)
        self.live = Live()
        parts.store.watch(self.live)
        counts = Counts()
        parts.store.watch(counts)
        metrics = Metrics(parts.store, parts.clock, counts, self.live, lambda: self.troubles)
        further = (*stream_operations(self.live), *metrics_operations(metrics))
        #: Every operation, as the document describes them.
        self.operations = describe(readiness, url="http://hub", further=further)
        routes = machine_routes(parts.client, self._verify, readiness, url="http://hub", further=further)
        self.app = create_app(_no_intake, routes)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://hub")

    async def _verify(self, token: str, request: httpx.Request) -> Principal:
        """Those in the table, and those whose token the hub has made."""
        if token.count(".") != 2:
            return await verify(token, request)
        # Each from an address of its own: wrong tries are counted by that.
        return await self.parts.client.authenticate(token, address=str(next(self._addresses)))

    async def ask(self, method: str, path: str, token: str | None = "admin", **how: Any) -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return await self.http.request(method, path, headers={**headers, **how.pop("headers", {})}, **how)

    async def raw(self, method: str, path: str, token: str | None = None) -> int:
        """The status for a path that no client straightens out: it comes as it would over the wire."""
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        headers = [(b"host", b"hub")]
        if token is not None:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8700),
        }
        await self.app(scope, receive, send)
        (status,) = statuses
        return status

    async def get(self, path: str, token: str | None = "admin", **query: Any) -> Any:
        """The JSON of a GET that succeeds."""
        answer = await self.ask("GET", path, token, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, token: str | None = "admin", status: int = 200) -> Any:
        answer = await self.ask("POST", path, token, **({} if body is None else {"json": body}))
        assert answer.status_code == status, answer.text
        return answer.json()

    async def work(self) -> None:
        """Until nothing is due and nothing runs."""
        await work_off(self.worker)

    async def run(self, workflow: str, args: Any = None) -> str:
        """Start it, work until everything has come to rest; its id."""
        started = await self.post(
            f"/api/v1/workflows/{workflow}/executions", {"args": args, "invoker": "anonymous"}, status=201
        )
        await self.work()
        return str(started["id"])


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[ApiSite]:
    parts = await open_parts(read_files(write_project(root), {}), serving=True)
    made = ApiSite(parts)
    try:
        yield made
    finally:
        await made.http.aclose()
        await made.worker.drain(0)
        await parts.close()


def play(root: Path, story: Callable[[ApiSite], Awaitable[Any]]) -> Any:
    """Run a story on a hub of its own, in a loop of its own."""

    async def whole() -> Any:
        async with opened(root) as made:
            return await story(made)

    return asyncio.run(whole())


def bare_client(store: Store, clock: Clock) -> Client:
    """A client of a hub that has nothing but its store."""

    async def nothing(*_: Any) -> Any:
        return 0

    driver = ProjectDriver(
        store,
        Registry(()),
        Surroundings(),
        clock,
        {},
        "http://hub",
        nothing,
        nothing,
        nothing,
        Gate(Path("none"), clock),
    )
    return Client(driver, ANONYMOUS)


async def _no_intake(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"the intake's"})
