"""A small project behind the console, without a socket: real files, store and worker; who holds which session is a table."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from kit import work_off

from hub.api.live import Live
from hub.assembly.files import read_files
from hub.assembly.parts import Parts, open_parts
from hub.console.app import create_console
from hub.console.installation import Installation
from hub.console.proof import FIELD, form_proof
from hub.identity.opaque import digest_of
from hub.model.identity import person
from hub.store import Store
from hub.store.people import AcceptInvitation, Invite, OpenSession

HUB = "http://127.0.0.1:8700"
COOKIE = "hub-session"

CONFIG = """\
databases: {shop: {url: "sqlite:///var/shop.db"}}
auth:
  main-auth:
    machine_users:
      bot: {attributes: {role: worker}, permissions: ["workflow:start:*"]}
"""

WORKFLOWS = """\
from pydantic import BaseModel

from hub import job, wait_point, workflow


class Answer(BaseModel):
    approved: bool
    note: str = ""


approval = wait_point("approval", result=Answer)


@job
async def greet(input, ctx):
    ctx.log.info("greeting %s", input)
    return {"hello": input}


@job
async def ask(input):
    answer = await approval.wait({"really": input})
    return {"approved": answer.approved}


@job
async def stumble(input):
    await greet.trigger(input)
    raise RuntimeError(f"not today: {input}")


greeting = workflow("greeting", greet)
asking = workflow("asking", ask)
stumbling = workflow("stumbling", stumble)
"""

TARGET = "target: {workflow: {workflow_name: greeting, variables: args.body, invoker: anonymous}}"

FILES = {
    "config/hub.yaml": CONFIG,
    "workflows/all.py": WORKFLOWS,
    "executors/hook.yaml": f"name: hook\ntrigger:\n  webhook: {{}}\n  condition: args.body.n > 1\n{TARGET}\n",
    "executors/nightly.yaml": 'name: nightly\ntrigger: {schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}}\n'
    "target: {workflow: {workflow_name: greeting, invoker: anonymous}}\n",
}


def make_project(root: Path, **more: str) -> Path:
    """Config, workflows and executors; `more` are further executors."""
    files = FILES | {f"executors/{name}.yaml": text for name, text in more.items()}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


#: Role -> who has it, and a session.
PEOPLE = {role: person(name, role) for name, role in [("ada", "admin"), ("olga", "operator"), ("vera", "viewer")]}


def secret_of(who: str) -> str:
    """The secret of the session of whoever has this role; of a session that there is not for any other word."""
    return f"hubse_{who}"


async def let_in(store: Store, now: int) -> None:
    """People and their sessions, without the time that passwords take."""
    never = now + 86_400_000
    for role, one in PEOPLE.items():
        await store.invite(Invite(role, one.name, role, now, never))
        await store.accept_invitation(AcceptInvitation(role, one.name, f"hash of {role}", now))
        await store.open_session(OpenSession(digest_of(secret_of(role)), one.name, f"hash of {role}", now, never))


class Site:
    """The console of an opened project, asked as somebody."""

    def __init__(self, parts: Parts, address: str = HUB) -> None:
        self.parts = parts
        self.troubles: list[str] = []
        self.lateness: dict[str, float] = {}
        self.live = Live()
        parts.store.watch(self.live)

        self.installation = Installation(
            parts.client,
            parts.clock,
            parts.files.root.name,
            address,
            lambda: self.troubles,
            lambda: (),
            self.live,
            lambda: self.lateness,
        )
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_console(self.installation), raise_app_exceptions=False),
            base_url=address,
        )

    async def get(self, path: str, who: str | None = "admin", **headers: str) -> httpx.Response:
        return await self._http.get(path, headers=_cookie(who) | headers)

    async def post(self, path: str, who: str | None = "admin", /, **fields: Any) -> httpx.Response:
        """As a form of a page of this session is sent."""
        proof = {FIELD: form_proof(secret_of(who))} if who is not None else {}
        return await self.send(path, {**_cookie(who), "origin": HUB}, {**proof, **fields})

    async def send(self, path: str, headers: dict[str, str], fields: dict[str, Any]) -> httpx.Response:
        return await self._http.post(path, headers=headers, data=fields)

    async def run(self, workflow: str, args: Any) -> str:
        """Start an execution, and work until it has come to rest."""
        started = await self.parts.client.start(workflow, args)
        await self.work()
        return started.id

    async def work(self) -> None:
        worker, lease = self.parts.worker()
        await lease.take()
        await work_off(worker)
        await self.parts.store.flush()


def _cookie(who: str | None) -> dict[str, str]:
    return {} if who is None else {"cookie": f"{COOKIE}={secret_of(who)}"}


def visit(root: Path, story: Callable[[Site], Awaitable[None]]) -> None:
    """Play a story on the project's console."""

    async def whole() -> None:
        parts = await open_parts(read_files(root, {}))
        try:
            await let_in(parts.store, parts.clock.now())
            await story(Site(parts))
        finally:
            await parts.close()

    asyncio.run(whole())


def words(response: httpx.Response) -> str:
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.text))
