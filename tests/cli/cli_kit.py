"""A small project, and two ways to call `hub` on it: in this process, and as people do."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from click.testing import CliRunner

from hub.cli import cli

SECRET = "shared-with-github-and-nobody-else"

CONFIG = """\
store: sqlite:///var/hub.db
env: {mended: mended.txt}
databases:
  shop: {url: "sqlite:///shop.db"}
auth:
  main-auth:
    machine_users:
      bot: {attributes: {role: worker}, permissions: ["workflow:start:*"]}
      guest: {permissions: []}
"""

WORKFLOWS = """\
from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import BaseModel

from hub import Context, NonRetryable, RetryPolicy, job, workflow


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
    doubled = await double.trigger(input)
    if not Path(ctx.env["mended"]).exists():
        raise NonRetryable("there is no file mended.txt")
    return doubled


@job
async def sleep_long(input: Number, ctx: Context) -> None:
    await asyncio.sleep(60)


@job
async def stumble(input: Number, ctx: Context) -> None:
    raise RuntimeError("not today")


adding = workflow(name="adding", main_job=add)
failing = workflow(name="failing", main_job=fall_over)
sleeping = workflow(name="sleeping", main_job=sleep_long)
stumbling = workflow(
    name="stumbling",
    main_job=stumble,
    retry_policy=RetryPolicy(max_retries=1, initial_backoff="1h", max_backoff="1h"),
)
"""

EXECUTORS = {
    "number-webhook": """\
description: Adds what it is sent
trigger:
  webhook: {}
  condition: args.body.n > 0
target:
  workflow:
    workflow_name: adding
    invoker: {machine_user: {auth_namespace: main-auth, name: bot}}
    variables: "({ n: args.body.n })"
""",
    "github-push": """\
trigger:
  webhook:
    verify: {preset: github, secret: "${secret:PUSH_SECRET}"}
    events: [push]
target:
  workflow: {workflow_name: adding, invoker: anonymous, variables: "({ n: 1 })"}
""",
    "row-created": """\
trigger:
  event: {namespace: shop, type: record.created, model: orders}
target:
  workflow: {workflow_name: adding, invoker: anonymous, variables: "({ n: args.newRecord.id })"}
""",
    "nightly": """\
trigger:
  schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}
target:
  workflow: {workflow_name: adding, invoker: anonymous}
""",
}


def make_project(root: Path) -> Path:
    """Four executors and four workflows."""
    (root / "config").mkdir(parents=True)
    (root / "executors").mkdir()
    (root / "workflows").mkdir()
    (root / "config/hub.yaml").write_text(CONFIG)
    (root / "workflows/numbers.py").write_text(WORKFLOWS)
    for name, text in EXECUTORS.items():
        (root / f"executors/{name}.yaml").write_text(f"name: {name}\n{text}")
    with contextlib.closing(sqlite3.connect(root / "shop.db")) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
    return root


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which must be JSON and nothing else."""
        return json.loads(self.out)

    def lines(self) -> list[list[str]]:
        """Tab-separated lines, as in a pipe."""
        return [line.split("\t") for line in self.out.splitlines()]


class Hub:
    """`hub` in this process, on one project."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *args: str, stdin: str | None = None) -> Ran:
        result = CliRunner().invoke(cli, ["--project", str(self.root), *args], input=stdin, catch_exceptions=False)
        return Ran(result.exit_code, result.stdout, result.stderr)

    def json(self, *args: str, status: int = 0) -> Any:
        """Called with --json, and its exit status looked at."""
        ran = self(*args, "--json")
        assert ran.status == status, ran
        return ran.json


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would change the command's ways."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("HUB_", "COV_"))}
    return {**mine, "PUSH_SECRET": SECRET, **more}


def shell(*args: str, cwd: Path, env: Mapping[str, str] | None = None, seconds: float = 120) -> Ran:
    """`hub` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", *args],
        cwd=cwd,
        env=dict(env or environment()),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


class Serving:
    """`hub serve` as a process of its own, on a free port."""

    def __init__(self, root: Path, out: IO[str] | None = None) -> None:
        """`out` is where it prints."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hub", "serve", "--port", "0"],
            cwd=root,
            env=environment(),
            stdout=out or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.address = ""
        self._up = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if (found := re.search(r"serving \S+ at (http://[^\s\"]+)", line)) is not None:
                self.address = found[1]
                self._up.set()
        self._up.set()

    def wait_until_up(self) -> None:
        assert self._up.wait(60)
        assert self.address, self.lines

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join(60)
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextlib.contextmanager
def serving(root: Path, out: IO[str] | None = None) -> Iterator[Serving]:
    server = Serving(root, out)
    try:
        server.wait_until_up()
        yield server
    finally:
        server.kill()
