"""Limits: time, size, places, rates and networks; and no bytes that break anything."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest
from webhook_kit import GITHUB, OPEN, Desk, MemoryStore, call, endpoint

from hub.model.event import NewEvent, StoredEvent
from hub.triggers.webhook.intake import Settings
from hub.triggers.webhook.receiving import Pace


def _scope(path: str = "/webhooks/erp-push") -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.7", 1),
    }


def test_a_body_that_never_comes_is_given_up() -> None:
    desk = Desk(endpoint(OPEN), settings=Settings(pace=Pace(deadline=1.0, patience=0.02, rate=1_000)))
    reply = asyncio.run(call(desk.intake, _scope(), [{"type": "http.request", "body": b"x", "more_body": True}]))
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert (desk.intake._budget.held, desk.intake.gates.inside) == (0, 0)


def test_a_pace_gives_time_for_what_has_come() -> None:
    pace = Pace()
    assert [pace.allowed(received) for received in (0, 1_024, 10_240, 1_048_576)] == [5.0, 6.0, 15.0, 30.0]


class Jumping(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


@pytest.mark.parametrize(("size", "status"), [(10_000, 202), (1, 408)])
def test_a_slow_body_that_keeps_its_pace_is_waited_for(size: int, status: int) -> None:
    desk = Desk(endpoint(OPEN))
    chunks = [b"x" * size] * 4
    answers: list[int] = []

    async def receive() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Jumping)
        loop.ahead += 4
        for _ in range(3):
            await asyncio.sleep(0)
        return {"type": "http.request", "body": chunks.pop(), "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        answers.append(message.get("status", 0))

    with asyncio.Runner(loop_factory=Jumping) as runner:
        runner.run(desk.intake(_scope(), receive, send))
    assert answers[0] == status


def test_a_sender_that_hangs_up_gets_no_answer_and_stores_nothing() -> None:
    desk = Desk(endpoint(OPEN))
    reply = asyncio.run(
        call(
            desk.intake,
            _scope(),
            [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}],
        )
    )
    assert (reply.status, desk.store.events) == (0, [])


def test_unfinished_bodies_have_a_budget() -> None:
    desk = Desk(endpoint(OPEN), settings=Settings(unfinished=100))
    assert desk.raw([b"x" * 60, b"y" * 60, b""], []).status == 503
    assert desk.raw([b"x" * 60, b"y" * 30, b""], []).status == 202


class SlowStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def store_event(self, event: NewEvent, *, timeout: float) -> StoredEvent:  # noqa: ASYNC109 - the port's word
        await self.go.wait()
        return await super().store_event(event, timeout=timeout)


def test_one_source_cannot_take_every_place() -> None:
    async def story() -> list[int]:
        desk = Desk(endpoint(OPEN, limits={"concurrency": 2}), endpoint(OPEN, "open-door"))
        store = SlowStore()
        desk.intake._store = store
        message = [{"type": "http.request", "body": b"{}", "more_body": False}]
        flood = [asyncio.ensure_future(call(desk.intake, _scope(), message)) for _ in range(3)]
        quiet = asyncio.ensure_future(call(desk.intake, _scope("/webhooks/open-door"), message))
        await asyncio.sleep(0)
        store.go.set()
        return [reply.status for reply in await asyncio.gather(*flood, quiet)]

    assert sorted(asyncio.run(story())[:3]) == [202, 202, 503]
    assert asyncio.run(story())[3] == 202


def test_all_sources_together_have_a_limit_too() -> None:
    assert Desk(endpoint(OPEN), settings=Settings(concurrency=0)).post().status_code == 503


def test_a_rate_is_kept_and_recovers() -> None:
    desk = Desk(endpoint(OPEN, limits={"rate": 2}))
    assert [desk.post().status_code for _ in range(3)] == [202, 202, 429]
    assert desk.post().headers["retry-after"] == "30"
    desk.clock.seconds += 31
    assert [desk.post().status_code for _ in range(2)] == [202, 429]


def test_networks_are_checked_by_containment_and_proxies_only_when_trusted() -> None:
    made = endpoint(OPEN, limits={"networks": ["192.0.2.0/24", "1.2.3.4"]})
    plain = Desk(made)
    assert plain.raw(b"{}", [], client=("192.0.2.9", 1)).status == 202
    assert plain.raw(b"{}", [], client=("11.2.3.45", 1)).status == 403
    assert plain.raw(b"{}", [], client=("::ffff:1.2.3.4", 1)).status == 202
    assert plain.raw(b"{}", [], client=None).status == 403
    assert plain.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4")], client=("203.0.113.1", 1)).status == 403
    proxied = Desk(made, settings=Settings(trusted_proxies=(ip_network("203.0.113.0/24"),)))
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4")], client=("203.0.113.1", 1)).status == 202
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4, 198.51.100.1")], client=("203.0.113.1", 1)).status == 403
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4, 203.0.113.7")], client=("203.0.113.1", 1)).status == 202
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"junk")], client=("203.0.113.1", 1)).status == 403
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4")], client=("198.51.100.1", 1)).status == 403


@pytest.mark.parametrize(
    ("hop", "status"),
    [
        ("1.2.3.4:51234", 202),
        ("[2001:db8::7]:443", 202),
        ("[2001:db8::7]", 202),
        ("2001:db8::7", 202),
        ("[::ffff:1.2.3.4]:1", 202),
        ("1.2.3.4:51234, 203.0.113.7:80", 202),
        ("1.2.3.4, 198.51.100.1:80", 403),
        ("1.2.3.4:123456", 403),
        ("1.2.3.4:", 403),
        ("[1.2.3.4", 403),
        ("[]:1", 403),
        (":1", 403),
    ],
)
def test_a_proxy_may_name_the_senders_port_too(hop: str, status: int) -> None:
    made = endpoint(OPEN, limits={"networks": ["1.2.3.4", "2001:db8::/32"]})
    proxied = Desk(made, settings=Settings(trusted_proxies=(ip_network("203.0.113.0/24"),)))
    assert proxied.raw(b"{}", [(b"x-forwarded-for", hop.encode())], client=("203.0.113.1", 1)).status == status


def test_too_many_parameters_are_not_taken() -> None:
    assert Desk(endpoint(OPEN)).raw(b"{}", [], query=b"&".join([b"a=1"] * 201)).status == 400


def test_names_and_values_of_any_bytes_are_never_a_server_error() -> None:
    desk = Desk(endpoint(GITHUB), endpoint(OPEN, "open-door"))
    for path in (
        "/webhooks/erp-push",
        "/webhooks/open-door",
        "/webhooks/\udcff",
        "/webhooks",
        "/",
        "/webhooks/" + "x" * 5_000,
    ):
        reply = desk.raw(
            b"\xff\x00",
            [(b"x-\xff", b"\xff\x00\xfe"), (b"", b""), (b"x-github-event", b"\xff")],
            path=path.encode("utf-8", "replace").decode(),
            query=b"%ff=%00&\xff",
        )
        assert reply.status < 500, path
