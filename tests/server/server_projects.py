"""Projects that several tests serve."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

from hub_process import Project

CONFIG = """
store: sqlite:///var/hub.db
server: {host: 127.0.0.1, port: 8700}
databases:
  shop: {url: "sqlite:///var/shop.db"}
auth:
  main-auth:
    machine_users:
      workflow-bot: {permissions: ["workflow:start:*", "database:write:shop"]}
      visitor: {permissions: ["workflow:start:nothing"]}
      reader: {permissions: ["event:read"]}
"""

BOT = "{machine_user: {auth_namespace: main-auth, name: workflow-bot}}"

#: What jobs call to leave a trace outside the hub: one line, written at once, by a single write at the file's end.
NOTING = '''
import asyncio, os, time
from hub import ConcurrencyPolicy, Context, NonRetryable, RetryPolicy, job, workflow

def note(ctx, *words):
    """Leave a line in the file `noted`: execution/path attempt, then the words."""
    line = " ".join([f"{ctx.idempotency_key} {ctx.attempt}", *map(str, words)]) + "\\n"
    file = os.open("noted", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
'''

ECHO = """
@job
async def echo(input, ctx: Context):
    note(ctx)
    return input

echoing = workflow("echoing", echo)
"""


#: Gives back one part of what it is given: the least that a webhook can start.
PASSING = """
@job
async def passing_on(input):
    return input["delivery"]

passing = workflow("passing", passing_on)
"""


def lay_out(project: Project, workflows: str = "", **executors: Mapping[str, Any] | str) -> None:
    """Config, one file of workflows (with `echoing`), and executors: a file's text, or trigger and more as a dict."""
    project.write("config/hub.yaml", CONFIG)
    project.write("workflows/all.py", NOTING + ECHO + textwrap.dedent(workflows))
    if not (project.folder / "var" / "shop.db").exists():
        project.sqlite("shop.db", "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, total REAL)")
    for name, given in executors.items():
        put_executor(project, name.replace("_", "-"), given)


def put_executor(project: Project, name: str, given: Mapping[str, Any] | str) -> None:
    """executors/NAME.yaml: the text as it is, or JSON, which is YAML too. Without a target it starts `echoing`."""
    if isinstance(given, str):
        project.write(f"executors/{name}.yaml", given)
        return
    whole = {"name": name, "target": start("echoing", "JSON.stringify(args.body)"), **given}
    project.write(f"executors/{name}.yaml", json.dumps(whole))


def start(workflow: str, variables: Any = "({})", user: str = "workflow-bot") -> dict[str, Any]:
    """A workflow target."""
    invoker = {"machine_user": {"auth_namespace": "main-auth", "name": user}}
    return {"workflow": {"workflow_name": workflow, "invoker": invoker, "variables": variables}}


def noted(project: Project) -> list[list[str]]:
    """The words of each line that jobs have left, in order: execution/path, attempt, …"""
    path = project.folder / "noted"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []
