"""What one sender's flood does to another sender: a real `hub serve`, and the way of a quiet sender's events to their job's first line.

First that sender is alone; then another one's events come as fast as they are taken; then those are worked off. Prints p50 and p99,
by the clock of webhook_latency.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from webhook_latency import COMMAND, FILES, Moments, free_port, lay_out, noted, row, serving

FLOOD = """
name: flood
trigger: {webhook: {limits: {rate: 1000000, concurrency: 1000}}}
target:
  workflow:
    workflow_name: pong
    invoker: {machine_user: {auth_namespace: main-auth, name: workflow-bot}}
    variables: JSON.stringify(args.body)
"""
PONG = """
from hub import job, workflow

@job
async def look(input):
    return input["n"]

pong = workflow("pong", look)
"""
CONNECTIONS = 64


def addresses(project: Path, base: str) -> dict[str, str]:
    """Where to send to, by executor."""
    listed = subprocess.run(
        [COMMAND, "executor", "webhook", "list", "--json"], cwd=project, check=True, capture_output=True, text=True
    ).stdout
    return {entry["executor"]: base + httpx.URL(entry["url"]).path for entry in json.loads(listed)}


async def flood(url: str, count: int) -> None:
    at, left = urlsplit(url), iter(range(count))
    head = f"POST {at.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "

    async def send() -> None:
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        for n in left:
            body = json.dumps({"n": n})
            writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
            said = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 202 " not in said[:20]:
                sys.exit(f"the hub answered {said!r}")
            await reader.readexactly(int(said.split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*[send() for _ in range(CONNECTIONS)])


def worked_off(project: Path) -> int:
    with closing(sqlite3.connect(f"file:{project}/var/hub.db?mode=ro", uri=True)) as db:
        question = "SELECT count(*) FROM executions WHERE workflow = 'pong' AND status = 'SUCCESS'"
        ((count,),) = db.execute(question).fetchall()
        return int(count)


class Quiet:
    """Sends one event after the other, in a thread of its own."""

    def __init__(self, url: str, pause: float) -> None:
        self._url = url
        self._pause = pause
        #: In the order of their numbers, each with what went on when it was sent.
        self.moments: list[tuple[str, Moments]] = []
        self.during = "warm-up"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        with httpx.Client() as http:
            while not self._over.wait(self._pause):
                during, sent = self.during, time.monotonic_ns()
                http.post(self._url, json={"n": len(self.moments)}).raise_for_status()
                self.moments.append((during, Moments(sent, time.monotonic_ns())))

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000, help="of the flood")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two events of the quiet sender")
    parser.add_argument("--alone", type=float, default=8, help="seconds for which the quiet sender is alone")
    parser.add_argument("--flood", metavar="URL", help="only send the flood, to this address")
    given = parser.parse_args()
    if given.flood:
        asyncio.run(flood(given.flood, given.events))
        return
    with tempfile.TemporaryDirectory() as folder:
        project, port = Path(folder), free_port()
        lay_out(project, port, {**FILES, "executors/flood.yaml": FLOOD, "workflows/pong.py": PONG})
        base = f"http://127.0.0.1:{port}"
        with serving(project, base):
            to = addresses(project, base)
            quiet = Quiet(to["ping"], given.pause)
            quiet.begin()
            time.sleep(1)
            quiet.during = "alone"
            time.sleep(given.alone)
            quiet.during = "while the flood is taken"
            # A program of its own: in this one it would take the quiet sender's time.
            sending = [sys.executable, __file__, "--events", str(given.events), "--flood", to["flood"]]
            begun = time.monotonic()
            subprocess.run(sending, check=True)
            taken = time.monotonic() - begun
            quiet.during = "while it is worked off"
            while worked_off(project) < given.events:
                time.sleep(0.1)
            whole = time.monotonic() - begun
            quiet.end()
            began = noted(project, len(quiet.moments))
    print(f"{given.events} events were taken in {taken:.1f} s, and worked off after {whole:.1f} s")
    print(f"{'202 -> first line, milliseconds':34}{'p50':>10}{'p99':>10}{'max':>10}")
    for during in ("alone", "while the flood is taken", "while it is worked off"):
        found = [began[n] - at.answered for n, (when, at) in enumerate(quiet.moments) if when == during]
        if len(found) > 1:
            print(row(f"{during} ({len(found)})", found))


if __name__ == "__main__":
    main()
