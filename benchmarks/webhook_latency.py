"""From a webhook to its job: a real `hub serve`, one request at a time on an idle hub. Prints p50 and p99.

The job's first line writes the monotonic clock, which on Linux is the same for all processes, into a file; the sender
notes the same clock before it sends and when it has the 202.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import httpx

COMMAND = str(Path(sys.executable).with_name("hub"))
FILES = {
    "config/hub.yaml": """
store: sqlite:///var/hub.db
server: {host: 127.0.0.1, port: PORT}
auth: {main-auth: {machine_users: {workflow-bot: {permissions: ["workflow:start:*"]}}}}
""",
    "executors/ping.yaml": """
name: ping
trigger: {webhook: {limits: {rate: 1000000}}}
target:
  workflow:
    workflow_name: ping
    invoker: {machine_user: {auth_namespace: main-auth, name: workflow-bot}}
    variables: JSON.stringify(args.body)
""",
    "workflows/ping.py": """
import time
from hub import job, workflow

@job
async def note_time(input):
    now = time.monotonic_ns()
    with open("var/noted", "a") as noted:
        noted.write(f"{input['n']} {now}\\n")

ping = workflow("ping", note_time)
""",
}


class Moments(NamedTuple):
    """Nanoseconds of the machine's monotonic clock."""

    sent: int
    answered: int


def lay_out(project: Path, port: int, files: Mapping[str, str] = FILES) -> None:
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("PORT", str(port)))
    (project / "var").mkdir()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def serving(project: Path, base: str) -> Iterator[None]:
    """A hub that serves the project, until the block ends."""
    said = project / "said"
    with said.open("wb") as output:
        server = subprocess.Popen([COMMAND, "serve"], cwd=project, stdout=output, stderr=output)
    try:
        if not is_ready(base, server):
            sys.exit(f"hub serve is not ready:\n{said.read_text()}")
        yield
    finally:
        server.terminate()
        server.wait(20)


def is_ready(base: str, server: subprocess.Popen[bytes]) -> bool:
    """Whether it is ready within 20 seconds."""
    for _ in range(200):
        if server.poll() is not None:
            return False
        try:
            if httpx.get(f"{base}/readyz").is_success:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


def address(project: Path, base: str) -> str:
    """Where to send to: the path that `hub executor webhook list` gives, at the address that is listened on."""
    listed = subprocess.run(
        [COMMAND, "executor", "webhook", "list", "--json"], cwd=project, check=True, capture_output=True, text=True
    ).stdout
    (url,) = [entry["url"] for entry in json.loads(listed) if entry["executor"] == "ping"]
    return base + httpx.URL(url).path


def send(url: str, count: int, pause: float) -> list[Moments]:
    found = []
    with httpx.Client() as http:
        for n in range(count):
            sent = time.monotonic_ns()
            answer = http.post(url, json={"n": n})
            found.append(Moments(sent, time.monotonic_ns()))
            if answer.status_code != 202:
                sys.exit(f"the hub answered {answer.status_code}: {answer.text}")
            time.sleep(pause)
    return found


def noted(project: Path, count: int) -> dict[int, int]:
    """Each request's number -> when its job began."""
    lines: list[str] = []
    for _ in range(100):
        path = project / "var" / "noted"
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            break
        time.sleep(0.1)
    return {int(number): int(moment) for number, moment in (line.split() for line in lines)}


def row(title: str, nanoseconds: list[int]) -> str:
    ms = [value / 1e6 for value in nanoseconds]
    return f"{title:34}{median(ms):10.2f}{quantiles(ms, n=100)[98]:10.2f}{max(ms):10.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between an answer and the next request")
    parser.add_argument("--warm-up", type=int, default=20, help="requests at the beginning that do not count")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project, port = Path(folder), free_port()
        lay_out(project, port)
        base = f"http://127.0.0.1:{port}"
        with serving(project, base):
            moments = send(address(project, base), given.warm_up + given.requests, given.pause)
            began = noted(project, len(moments))
    counted = [(moments[n], began[n]) for n in sorted(began) if n >= given.warm_up]
    print(f"{len(counted)} of {given.requests} requests, one at a time, milliseconds")
    print(f"{'':34}{'p50':>10}{'p99':>10}{'max':>10}")
    print(row("sent -> 202", [one.answered - one.sent for one, _ in counted]))
    print(row("202 -> first line of the job", [start - one.answered for one, start in counted]))
    print(row("sent -> first line of the job", [start - one.sent for one, start in counted]))


if __name__ == "__main__":
    main()
