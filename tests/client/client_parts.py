"""A project with one of everything, opened without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from hub.assembly.files import read_files
from hub.assembly.parts import Parts, open_parts

FILES = {
    "config/hub.yaml": """\
databases: {shop: {url: "sqlite:///var/shop.db"}}
auth:
  main-auth:
    machine_users:
      bot: {permissions: ["workflow:start:*"]}
      narrow: {permissions: ["workflow:start:greeting", "execution:read:greeting", "execution:cancel:greeting"]}
  other-auth:
    machine_users:
      ops: {permissions: ["admin"]}
""",
    "workflows/all.py": """\
from hub import job, wait_point, workflow

approval = wait_point("approval")


@job
async def greet(input):
    return input


@job
async def ask(input):
    return await approval.wait({"really": True})


@job
async def stumble(input):
    raise RuntimeError("not today")


greeting = workflow("greeting", greet)
asking = workflow("asking", ask)
stumbling = workflow("stumbling", stumble)
""",
    "executors/hook.yaml": """\
name: hook
trigger: {webhook: {}}
target:
  workflow:
    workflow_name: greeting
    variables: args.body
    invoker: {machine_user: {auth_namespace: main-auth, name: bot}}
""",
    "executors/nightly.yaml": """\
name: nightly
trigger: {schedule: {cron: "0 2 * * *"}}
target: {workflow: {workflow_name: greeting, invoker: anonymous}}
""",
}


def make_project(root: Path) -> Path:
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return root


def tell(root: Path, story: Callable[[Parts], Awaitable[None]]) -> None:
    """Play a story on the opened project."""

    async def whole() -> None:
        parts = await open_parts(read_files(root, {}))
        try:
            await story(parts)
        finally:
            await parts.close()

    asyncio.run(whole())
