from __future__ import annotations

import asyncio
from typing import Any

import pytest
from webhook_kit import Reply, call

from hub.triggers.webhook.guard import Guard, HeadLimits
from hub.triggers.webhook.receiving import Pace

HOST = (b"host", b"hub.example.com")


class App:
    """Reads the whole body, then says 200; or says what it makes of a missing end."""

    def __init__(self, on_disconnect: str = "raise") -> None:
        self.on_disconnect = on_disconnect
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        while scope["type"] == "http":
            message = await receive()
            if message["type"] == "http.disconnect":
                if self.on_disconnect == "raise":
                    raise RuntimeError("client disconnected")
                if self.on_disconnect == "answer":
                    await send({"type": "http.response.start", "status": 500, "headers": []})
                    await send({"type": "http.response.body", "body": b"a traceback"})
                return
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def knock(
    headers: list[tuple[bytes, bytes]],
    *,
    path: str = "/api/v1/x",
    query: bytes = b"",
    messages: Any = None,
    app: App | None = None,
) -> Reply:
    guard = Guard(app or App(), HeadLimits(pace=Pace(deadline=1.0, patience=0.02, rate=1_000)))
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": headers,
    }
    return asyncio.run(call(guard, scope, messages or [{"type": "http.request", "body": b"", "more_body": False}]))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([HOST], 200),
        ([(b"host", b"127.0.0.1:8700")], 200),
        ([(b"host", b"[::1]:8700")], 200),
        ([], 400),
        ([HOST, HOST], 400),
        ([HOST, (b"host", b"evil.example")], 400),
        ([(b"host", b"")], 400),
        ([(b"host", b"a b")], 400),
        ([(b"host", b"a/b")], 400),
        ([(b"host", b"user@a")], 400),
        ([(b"host", b"a:99999999")], 400),
        ([(b"host", b"\xff")], 400),
        ([HOST, (b"content-length", b"5"), (b"transfer-encoding", b"chunked")], 400),
        ([HOST, (b"content-length", b"5"), (b"content-length", b"5")], 400),
        ([HOST, (b"content-length", b"-1")], 400),
        ([HOST, (b"content-length", b"+1")], 400),
        ([HOST, (b"content-length", b"1_0")], 400),
        ([HOST, (b"content-length", b"9" * 19)], 400),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], 400),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], 400),
        ([HOST, (b"transfer-encoding", b"chunked")], 200),
        ([HOST, *[(b"x-%d" % number, b"") for number in range(100)]], 431),
        ([HOST, (b"x-long", b"x" * 32_768)], 431),
    ],
)
def test_heads_are_one_thing_to_every_reader(headers: list[tuple[bytes, bytes]], status: int) -> None:
    reply = knock(headers)
    assert reply.status == status
    if status != 200:
        assert reply.headers["connection"] == "close"
        assert reply.headers["content-type"] == "application/problem+json"


def test_long_addresses_are_turned_away() -> None:
    assert knock([HOST], query=b"x" * 8_192).status == 414
    assert knock([HOST], path="/" + "x" * 8_192).status == 414


@pytest.mark.parametrize("makes_of_it", ["raise", "answer", "nothing"])
def test_a_slow_body_is_408_whatever_the_application_makes_of_it(makes_of_it: str) -> None:
    started = [{"type": "http.request", "body": b"x", "more_body": True}]
    reply = knock([HOST, (b"content-length", b"9")], messages=started, app=App(makes_of_it))
    assert reply.status == 408
    assert b"traceback" not in reply.body


def test_a_body_in_time_passes_and_intake_looks_after_its_own() -> None:
    done = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.request", "body": b"y", "more_body": False},
    ]
    assert knock([HOST, (b"content-length", b"2")], messages=done).status == 200
    gone = [{"type": "http.disconnect"}]
    assert knock([HOST, (b"content-length", b"2")], messages=gone, path="/webhooks/x", app=App("answer")).status == 500


def test_errors_of_the_application_are_its_own() -> None:
    with pytest.raises(RuntimeError):
        knock([HOST, (b"content-length", b"2")], messages=[{"type": "http.disconnect"}])


def test_other_protocols() -> None:
    app = App()
    guard = Guard(app)
    asyncio.run(call(guard, {"type": "lifespan"}, []))
    assert app.calls == 1
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/x", "query_string": b"", "headers": []}
    asyncio.run(guard(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1002}]
    assert app.calls == 1
