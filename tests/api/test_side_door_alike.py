"""Whatever is asked, the two doors answer the same byte for byte, and store the same: ids, dates and where it came in apart."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from kit import PATIENCE
from test_connection import SECRET
from two_doors import Both, Sender, arrived, play

from hub.model.executor import Executor, WebhookTrigger, WorkflowTarget
from hub.triggers.webhook.building import build
from hub.triggers.webhook.endpoint import Endpoint, Later

GITHUB = {"preset": "github", "secret": SECRET}


def endpoint(name: str, verify: dict[str, Any] = GITHUB, **keys: Any) -> Endpoint:
    made = build(Executor(name, WebhookTrigger(verify=verify, **keys), WorkflowTarget("w-x-y", None)), lambda one: one)
    assert isinstance(made, Endpoint), made
    return made


def slowly(value: Any) -> Later:
    """Bodies that are judged elsewhere: all but those with a `k` fit."""

    async def judge() -> str | None:
        await asyncio.sleep(0)
        return "$: has a k" if isinstance(value, dict) and "k" in value else None

    return judge


ENDPOINTS = {
    made.name: made
    for made in (
        endpoint("push"),
        endpoint("anybody", {"type": "none", "id": "header:X-GitHub-Delivery"}),
        endpoint("rotated", {**GITHUB, "secret": ["another-secret-of-enough-bytes-1", SECRET]}),
        endpoint("events", events=("push", "pull_request.*")),
        endpoint("answered", response={"status": 200, "headers": {"X-Served-By": "hub"}, "body": "ok"}),
        endpoint("nothing", response={"status": 204}),
        endpoint("small", limits={"body": 60}),
        endpoint("json", limits={"content_types": ["application/json"]}),
        endpoint("methods", methods=("POST", "PUT", "GET")),
        endpoint("by-place", dedupe={"key": "json:k"}),
        endpoint("by-query", dedupe={"key": "query:k"}),
        endpoint("never", dedupe={"key": "none"}),
        replace(endpoint("slowly-judged"), validate=slowly),
    )
}

#: Where a text is another one at each door, so that neither is a repetition of the other.
DOOR = "@@@@"
PATHS = [*[""] * 20, "?k=1@@@@", "?", "?a=1&a=2&token=x", "?&=&", "?k=%00@@@@", "?k=%ff", "?" + "a&" * 210]
PATHS += ["/", "/token", "?" + "x" * 8_300, "%20", ";x", "?q=a+b%20c", "?x={}|^"]
LINES = [
    *("X-GitHub-Event: push", "X-GitHub-Event: a\r\nX-GitHub-Event: b", "X-GitHub-Event: \xe9\t!", "X-Empty:"),
    *("Content-Encoding: gzip", "Content-Encoding: identity", "Content-Type: text/plain", "Authorization: Bearer x"),
    *("X-Hub-Signature-256: sha256=00", "X-GitHub-Delivery: other@@@@", "Connection: close", "Connection: keep-alive"),
    *("X-Long: " + "a" * 20_000, "X-Long: " + "a" * 40_000, "\r\n".join(["X-Many: a"] * 110), "X-Forwarded-For: ::1"),
    *(
        "Cookie: a=b\r\nCookie: c=d",
        "Host: other",
        "X-Bin: \xff\x80",
        "Upgrade: h2c",
        "TE: trailers",
        "Range: bytes=0-",
    ),
    *(
        "X-Fold: a\r\n b",
        "X-Nul: a\0b",
        "Content-Length: 1",
        "Transfer-Encoding: identity",
        "X Space: a",
        "X-Ctl: \x01",
    ),
]
KINDS = [
    "application/json",
    "",
    "application/x-www-form-urlencoded",
    "Text/Plain; charset=x",
    "image/png",
    "a+json",
    ";",
]
BODIES = [
    *('{"k": "@@@@"}', '{"k": 1.5, "d": "@@@@"}', '{"k": "", "d": "@@@@"}', '["@@@@", {}]', '"@@@@"', "", "{", "null"),
    *('{"d": "@@@@", "d": 1}', '{"d": NaN}', "[" * 90, '{"d": "\\u0000"}', '{"d": "\\ud800"}', "k=1&k=2&d=@@@@", "\0"),
    *("payload=%7B%22d%22%3A1%7D", "\xff\xfe@@@@", "\ufeff{}", ' {"d": "@@@@"}\n', '{"k": "' + "l" * 300 + '@@@@"}'),
    '{"d": "@@@@' + "x" * 70_000 + '"}',
]


@dataclass(frozen=True)
class Asked:
    name: str
    number: int
    method: str
    path: str
    lines: tuple[str, ...]
    kind: str
    body: str
    chunk: int | None
    trailer: str
    signed: bool

    def at(self, door: str) -> bytes:
        body = self.body.replace(DOOR, door).encode("utf-8", "surrogateescape")
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        head = [f"{self.method} /webhooks/{self.name}{self.path} HTTP/1.1", "Host: hub.example.com", *self.lines]
        head += [f"Content-Type: {self.kind}"] if self.kind else []
        head += [f"X-Hub-Signature-256: sha256={digest}"] if self.signed else []
        head += [f"X-GitHub-Delivery: {self.number}-{DOOR}"]
        data = body
        if self.chunk is None:
            head += [f"Content-Length: {len(body)}"]
        else:
            head += ["Transfer-Encoding: chunked"]
            pieces = [body[start : start + self.chunk] for start in range(0, len(body), self.chunk)]
            data = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            data += b"0\r\n" + self.trailer.encode() + b"\r\n"
        return "\r\n".join(head).replace(DOOR, door).encode("latin-1") + b"\r\n\r\n" + data


ASKED = st.builds(
    Asked,
    name=st.sampled_from([*ENDPOINTS, *ENDPOINTS, "nobody"]),
    number=st.integers(0, 10**9),
    method=st.sampled_from(["POST"] * 30 + ["PUT", "GET", "OPTIONS", "PATCH", "post", "BREW"]),
    path=st.sampled_from(PATHS),
    lines=st.lists(st.sampled_from(LINES), max_size=2).map(tuple),
    kind=st.sampled_from(KINDS[:1] * 20 + KINDS),
    body=st.sampled_from(BODIES[:1] * 20 + BODIES),
    chunk=st.sampled_from([None, None, None, 9, 1_000]),
    trailer=st.sampled_from(["", "X-Hub-Signature-256: sha256=00\r\n", "Host: x\r\n", "X-GitHub-Event: behind\r\n"]),
    signed=st.sampled_from([True] * 9 + [False]),
)


class Door:
    """Asks at one of the two, on a connection that is kept as long as it is there."""

    def __init__(self, both: Both, name: str) -> None:
        self.both = both
        self.name = name
        self._sender: Sender | None = None

    async def ask(self, asked: Asked) -> tuple[bytes, Any]:
        """The answer, and what was stored."""
        adopted = self.both.adopted
        sender = self._sender
        if sender is None:
            sender = await (arrived(self.both) if self.name == "side" else self._come())
        sender.writer.write(asked.at(self.name))
        head = await asyncio.wait_for(sender.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        length = re.search(rb"(?i)content-length: (\d+)", head)
        body = await sender.reader.readexactly(int(length[1]) if length else 0)
        at_rest = self.name == "side" and b"connection: close" not in head.lower() and self.both.adopted == adopted
        self._sender = sender if at_rest else None
        if not at_rest:
            sender.writer.close()
        return _plain(head + body), await self._stored(body)

    async def _come(self) -> Sender:
        """Where the first request of a connection is read."""
        return Sender(*await asyncio.open_connection("127.0.0.1", self.both.port))

    async def _stored(self, body: bytes) -> Any:
        named = re.search(rb'"event_id":"([0-9A-Z]{26})"', body)
        event = await self.both.store.event(named[1].decode()) if named else None
        if event is None:
            return None
        key = None if event.key is None else re.sub("sha256:.*", "sha256", event.key)
        told = [event.source, event.type, key, event.payload, (event.body or b"").decode("latin-1")]
        # What says nothing of its door came in at the main one, and is a repetition here.
        return json.loads(json.dumps(told).replace("main", DOOR).replace("side", DOOR))


def _plain(answer: bytes) -> bytes:
    """Without what differs from one answer to the next anywhere: ids of events, ids of problems, and the date."""
    answer = re.sub(rb"[0-9A-HJKMNP-TV-Z]{26}", b"EVENT", re.sub(rb'"id":"[0-9a-f]{16}"', b"", answer))
    return re.sub(rb"(?i)date: [^\r]*\r\n", b"", answer)


# Not made smaller: each try is a server of its own, and the message names the one request.
@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(ASKED, min_size=25, max_size=25, unique_by=lambda asked: asked.number))
def test_both_doors_answer_and_store_the_same(all_asked: list[Asked]) -> None:
    async def story(both: Both) -> None:
        main, side = Door(both, "main"), Door(both, "side")
        for asked in all_asked:
            (said, kept), (said_there, kept_there) = await main.ask(asked), await side.ask(asked)
            assert said == said_there, asked
            assert kept == kept_there, asked

    play(story, endpoints=ENDPOINTS)
