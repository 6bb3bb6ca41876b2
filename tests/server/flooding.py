"""A flood of webhooks over raw sockets: many connections, repetitions, forgeries and bodies that are too large, all at once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

TOO_LARGE = 1_100_000
#: Seconds without a request after which a hub may close a connection just as the next one comes.
IDLE = 2.0


@dataclass
class Flood:
    """What was sent and what was answered."""

    #: Delivery id -> event ids that were answered to it with 202.
    acknowledged: dict[str, set[str]] = field(default_factory=dict)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    unanswered: int = 0
    took: float = 0.0

    def quantile(self, share: float, of: list[float] | None = None) -> float:
        """Seconds within which that share was answered."""
        ordered = sorted(self.seconds if of is None else of)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def plan(count: int, seed: int) -> list[tuple[str, str]]:
    """(kind, delivery id): 70 % new, 20 % repeated, 5 % forged, 5 % too large, shuffled."""
    dice = random.Random(seed)
    kinds = ["new"] * (count * 70 // 100) + ["again"] * (count * 20 // 100)
    kinds += ["forged"] * (count * 5 // 100) + ["large"] * (count - len(kinds) - count * 5 // 100)
    dice.shuffle(kinds)
    fresh: list[str] = []
    found = []
    for number, kind in enumerate(kinds):
        if kind == "again" and fresh:
            found.append((kind, dice.choice(fresh)))
            continue
        if kind in ("new", "again"):
            fresh.append(f"{seed}-{number}")
        found.append(("new" if kind == "again" else kind, f"{seed}-{number}"))
    return found


async def flood(
    port: int, secret: str, requests: list[tuple[str, str]], connections: int, quiet: float = 0.05
) -> Flood:
    """Send them all to /webhooks/push, and one after the other to /webhooks/quiet."""
    result = Flood()
    queue = iter(requests)
    begun = time.perf_counter()
    listening = asyncio.create_task(_quietly(port, secret, result, quiet))
    await asyncio.gather(*[_sender(port, secret, queue, result) for _ in range(connections)])
    result.took = time.perf_counter() - begun
    listening.cancel()
    return result


def request(kind: str, delivery: str, secret: str, path: str = "/webhooks/push") -> bytes:
    """One push, about 1 KB; its body belongs to its delivery id."""
    body = json.dumps({"ref": "refs/heads/main", "delivery": delivery, "message": "x" * 900}).encode()
    if kind == "large":
        body += b" " * (TOO_LARGE - len(body))
    key = b"not-the-secret-of-this-executor" if kind == "forged" else secret.encode()
    digest = hmac.new(key, body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-GitHub-Event: push\r\nX-GitHub-Delivery: {delivery}\r\nX-Hub-Signature-256: sha256={digest}\r\n\r\n"
    )
    # Whoever asks to send more than is taken is told by the length alone.
    return head.encode() + (body[:1_000] if kind == "large" else body)


async def _sender(port: int, secret: str, queue: object, result: Flood) -> None:
    connection = None
    used = 0.0
    for kind, delivery in queue:  # type: ignore[attr-defined]  # an iterator that all senders share
        raw = request(kind, delivery, secret)
        for _ in range(100):
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", port)
                used = time.perf_counter()
            sent = time.perf_counter()
            try:
                connection[1].write(raw)
                status, body, ends = await asyncio.wait_for(answer(connection[0]), 60)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                connection[1].close()
                connection = None
                result.unanswered += sent - used < IDLE
                continue
            used = time.perf_counter()
            result.seconds.append(used - sent)
            result.statuses[kind, status] += 1
            if status == 202:
                result.acknowledged.setdefault(delivery, set()).add(json.loads(body)["event_id"])
            if ends:
                connection[1].close()
                connection = None
            if status not in (429, 503):
                break
            await asyncio.sleep(0.2)
    if connection is not None:
        connection[1].close()


async def _quietly(port: int, secret: str, result: Flood, pause: float) -> None:
    """Another sender, who is not to suffer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for number in range(1_000_000):
            sent = time.perf_counter()
            writer.write(request("new", f"quiet-{number}", secret, "/webhooks/quiet"))
            status, _, _ = await answer(reader)
            assert status == 202, status
            result.quiet.append(time.perf_counter() - sent)
            await asyncio.sleep(pause)
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection ends with it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lines = head.split("\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
    return int(head[9:12]), await reader.readexactly(length), "connection: close" in lines
