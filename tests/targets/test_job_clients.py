"""`ctx.http`: real requests to a real server, from async and from plain jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kit import Bench

from hub import Context, RetryPolicy, job, workflow
from hub.model.execution import Status

QUICK = RetryPolicy(max_retries=2, initial_backoff="1ms", max_backoff="1ms")


class Shop(ThreadingHTTPServer):
    """Fails once, then answers with the key that it was given."""

    keys: list[str]

    def __init__(self) -> None:
        self.keys = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                shop.keys.append(self.headers["Idempotency-Key"])
                body = self.headers["Idempotency-Key"].encode()
                self.send_response(503 if len(shop.keys) == 1 else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                """Nothing on standard error."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/orders"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@job(retry=QUICK)
async def order_with_await(input: str, ctx: Context) -> str:
    answer = await ctx.http.post(input)
    answer.raise_for_status()
    assert ctx.http is ctx.http, "one client a try"
    return str(answer.text)


@job(retry=QUICK)
def order_plainly(input: str, ctx: Context) -> str:
    answer = ctx.http.post(input)
    answer.raise_for_status()
    return str(answer.text)


@job
async def both(input: dict[str, str]) -> list[str]:
    return [await order_with_await.trigger(input["url"]), await order_plainly.trigger(input["url"])]


ordering = workflow("ordering", both)


def test_every_try_of_a_call_sends_the_same_key(shop: Shop, tell: Callable[..., Any]) -> None:
    async def story(bench: Bench) -> None:
        record = await bench.run("ordering", {"url": shop.url})
        assert record.status is Status.SUCCESS, record.error
        first, second = record.result
        assert first == f"{record.id}/both/order-with-await"
        assert second == f"{record.id}/both/order-plainly"
        assert shop.keys == [first, first, second]

    tell(story, ordering)
