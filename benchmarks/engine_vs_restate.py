"""The engine against Restate, on the same machine in the same run: prints a table and the ratios.

Each round runs both once, in turn, on fresh folders. Restate's server runs as it ships (one node, every step durable), its steps in
a Node process with its TypeScript SDK. Nobody's start-up is timed, and everybody runs something small first. Restate's figures hold
a request over HTTP for each execution, which is the way to start one; the hub's are those of its engine inside one process, as in
engine_vs_dbos.py.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from engine_vs_dbos import FLOOR, HUB, JOBS_EACH, Figures, commits, measure, table

HERE = Path(__file__).resolve().parent
RESTATE = "Restate (its default)"
SETTINGS = """
base-dir = "{folder}"
bind-address = "127.0.0.1:{node}"
advertised-address = "http://127.0.0.1:{node}"
[admin]
bind-address = "127.0.0.1:{admin}"
[ingress]
bind-address = "127.0.0.1:{ingress}"
"""


class Ports(NamedTuple):
    node: int
    admin: int
    ingress: int
    service: int


def free_ports() -> Ports:
    with ExitStack() as open_ones:
        taken = [open_ones.enter_context(socket.socket()) for _ in Ports._fields]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return Ports(*[one.getsockname()[1] for one in taken])


@contextmanager
def restate_server(modules: Path, folder: Path, ports: Ports) -> Iterator[None]:
    """One node on a fresh folder, until the block ends."""
    (settings := folder / "restate.toml").write_text(SETTINGS.format(folder=folder / "data", **ports._asdict()))
    (binary,) = modules.glob("node_modules/@restatedev/restate-server-*/bin/restate-server")
    with (folder / "said").open("wb") as said:
        server = subprocess.Popen(
            [binary, "--config-file", settings],
            stdout=said,
            stderr=said,
            env={**os.environ, "DO_NOT_TRACK": "1", "RESTATE_DISABLE_TELEMETRY": "1"},
        )
    try:
        wait_for(server, [f"http://127.0.0.1:{ports.admin}/health", f"http://127.0.0.1:{ports.ingress}/restate/health"])
        yield
    finally:
        server.terminate()
        server.wait(30)


def wait_for(server: subprocess.Popen[bytes], urls: list[str]) -> None:
    for url in urls:
        for _ in range(600):
            if server.poll() is not None:
                sys.exit(f"restate-server ended with {server.returncode}")
            try:
                if httpx.get(url).is_success:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        else:
            sys.exit(f"{url} does not answer")


def restate(given: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        ports = free_ports()
        with restate_server(given.restate, Path(name).resolve(), ports):
            ingress, admin = (f"http://127.0.0.1:{port}" for port in (ports.ingress, ports.admin))
            counts = [str(given.executions), str(JOBS_EACH), str(given.chain)]
            line = subprocess.run(
                ["node", HERE / "restate_side.mjs", given.restate, ingress, admin, str(ports.service), *counts],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                timeout=given.timeout,
            ).stdout.splitlines()[-1]
    found: dict[str, float] = json.loads(line)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--restate",
        type=Path,
        required=True,
        help="a folder with node_modules/@restatedev/restate-server and restate-sdk",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--chain", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=Path("var"), help="on the disk that is to be measured")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one contender in one round")
    given = parser.parse_args()
    given.restate = given.restate.resolve()
    given.folder.mkdir(parents=True, exist_ok=True)
    figures: Figures = {}
    for number in range(1, given.rounds + 1):
        rounds = {
            HUB: lambda: measure([sys.executable, str(HERE / "hub_side.py")], given.folder, given),
            RESTATE: lambda: restate(given),
        }
        for name, contender in rounds.items():
            found = contender()
            print(f"round {number}: {name}: {found}", file=sys.stderr)
            for kind, seconds in found.items():
                figures.setdefault(name, {}).setdefault(kind, []).append(seconds)
        figures.setdefault(FLOOR, {}).setdefault("deep", []).append(commits(given.chain, given.folder))
    table(figures, given)


if __name__ == "__main__":
    main()
