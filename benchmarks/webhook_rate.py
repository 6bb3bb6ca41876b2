"""How many webhooks a second, against a bare Starlette endpoint that only answers 202: wrk on loopback, the contenders in turn.

Each request is a push of GitHub of about 1 KB with a signature, a body and a delivery id of its own. The hub verifies it, looks
for its keys, and commits the event (SQLite, WAL, synchronous=FULL; or a PostgreSQL server of the tests) before it answers. With `--dispatch` the hub also holds every
event against its executor and runs a workflow for it, in the same process; without, the executor is paused.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import httpx
import psycopg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from postgres_cluster import Cluster  # noqa: E402 - behind the path

SECRET = "a-secret-for-measuring-with-0123"
COMMAND = str(Path(sys.executable).with_name("hub"))
BARE = """
import asyncio, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def take(request):
    return Response(status_code=202)

app = Starlette(routes=[Route("/webhooks/push", take, methods=["POST"])])
uvicorn.run(app, port=PORT, log_level="warning", access_log=False, loop="uvloop", http="httptools")
"""
FILES = {
    "config/hub.yaml": """
store: "STORE"
server: {host: 127.0.0.1, port: PORT}
auth: {main-auth: {machine_users: {workflow-bot: {permissions: ["workflow:start:*"]}}}}
""",
    "executors/push.yaml": """
name: push
trigger:
  webhook: {verify: {preset: github, secret: "${secret:BENCH}"}, limits: {rate: 1000000, concurrency: 1000}}
target:
  workflow:
    workflow_name: note
    invoker: {machine_user: {auth_namespace: main-auth, name: workflow-bot}}
    variables: "({ ref: args.body.ref })"
""",
    "workflows/note.py": """
from hub import job, workflow

@job
async def look(input):
    return input["ref"]

note = workflow("note", look)
""",
}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode}")
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server does not answer")


@contextmanager
def running(command: list[str], folder: Path, url: str, core: str | None):
    pinned = ["taskset", "-c", core] if core is not None else []
    env = {**os.environ, "BENCH": SECRET}
    log = (folder / "log").open("wb")
    server = subprocess.Popen([*pinned, *command], cwd=folder, env=env, stdout=log, stderr=log)
    try:
        wait_for(url, server)
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def wrk(url: str, seconds: float, connections: int, run: str, core: str | None) -> dict[str, float]:
    pinned = ["taskset", "-c", core] if core is not None else []
    out = subprocess.run(
        [*pinned, "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(HERE / "webhook_rate.lua"), url],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "HUB_BENCH_SECRET": SECRET, "HUB_BENCH_RUN": run},
    ).stdout
    (line,) = [line for line in out.splitlines() if line.startswith("RESULT ")]
    found: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    found["rate"] = found["requests"] / found["seconds"]
    return found


def lay_out(folder: Path, port: int, store: str, *, dispatch: bool) -> None:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("PORT", str(port)).replace("STORE", store))
    (folder / "var").mkdir()
    (folder / "bare.py").write_text(BARE.replace("PORT", str(port)))
    if not dispatch:
        env = {**os.environ, "BENCH": SECRET}
        pause = [COMMAND, "executor", "pause", "push"]
        subprocess.run(pause, cwd=folder, check=True, env=env, stdout=subprocess.DEVNULL)


def one_round(given: argparse.Namespace, contender: str, number: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder, port = Path(name), free_port()
        store = new_database(given.cluster, f"round_{number}_{contender}") if given.cluster else "sqlite:///var/hub.db"
        lay_out(folder, port, store, dispatch=given.dispatch)
        base = f"http://127.0.0.1:{port}"
        command = [sys.executable, "bare.py"] if contender == "bare" else [COMMAND, "serve"]
        with running(command, folder, f"{base}/healthz", given.server_core) as server:
            found = wrk(f"{base}/webhooks/push", given.seconds, given.connections, f"{number}", given.wrk_core)
            if given.profile and contender == "hub":
                profile(server.pid, base, given)
        if contender == "hub":
            found["stored"] = stored(folder, store)
    return found


def new_database(cluster: Cluster, name: str) -> str:
    cluster.execute(f"CREATE DATABASE {name}")
    return cluster.url(name)


def stored(folder: Path, store: str) -> int:
    count = "SELECT count(*) FROM events"
    if store.startswith("sqlite"):
        with closing(sqlite3.connect(folder / "var" / "hub.db")) as connection:
            return int(connection.execute(count).fetchone()[0])
    with psycopg.connect(store) as connection:
        return int(connection.execute(count).fetchall()[0][0])


def profile(pid: int, base: str, given: argparse.Namespace) -> None:
    spy = subprocess.Popen(
        [
            *(Path(sys.executable).with_name("py-spy"), "record", "-p", str(pid), "-d", str(int(given.seconds))),
            *("-f", "raw", "-o", given.profile, "-r", "500"),
        ],
        stdout=subprocess.DEVNULL,
    )
    wrk(f"{base}/webhooks/push", given.seconds, given.connections, "profile", given.wrk_core)
    spy.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--dispatch", action="store_true", help="run a workflow for every event as well")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--folder", help="where the database is; not on a memory disk, which makes durability cheap")
    parser.add_argument("--server-core", help="pin the server to this core")
    parser.add_argument("--wrk-core", help="pin wrk to this core")
    parser.add_argument("--profile", metavar="FILE", help="also record the hub with py-spy, in its raw format")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed")
    given.cluster = Cluster(disk=given.folder or tempfile.gettempdir()) if given.store == "postgresql" else None
    try:
        measure(given)
    finally:
        if given.cluster is not None:
            given.cluster.stop()


def measure(given: argparse.Namespace) -> None:
    print(f"load {os.getloadavg()[0]:.1f}, {given.connections} connections, {given.seconds:g} s a round")
    print(f"{'':8}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'refused':>10}{'errors':>8}")
    rates: dict[str, list[float]] = {"bare": [], "hub": []}
    late: list[float] = []
    for number in range(given.rounds):
        for contender, measured in rates.items():
            found = one_round(given, contender, number)
            measured.append(found["rate"])
            if contender == "hub":
                late.append(found["p99"])
                accepted = found["requests"] - found["refused"]
                if not accepted <= found["stored"] <= accepted + given.connections:
                    print(f"accepted {accepted:.0f}, stored {found['stored']}", file=sys.stderr)
            print(
                f"{contender:8}{found['rate']:>12.0f}{found['p50']:>10.2f}{found['p99']:>10.2f}{found['max']:>10.1f}"
                f"{found['refused']:>10.0f}{found['errors']:>8.0f}",
                flush=True,
            )
    bare, hub = median(rates["bare"]), median(rates["hub"])
    print(f"median   bare {bare:.0f}/s, hub {hub:.0f}/s = {hub / bare:.0%}; the hub's p99 {median(late):.1f} ms")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
