"""One delivery, one run: keys, bodies, windows, against the real store."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kit import FakeClock
from webhook_kit import SECRET, Reply, call, endpoint

from hub.model.event import Outcome
from hub.store import Store, open_store
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.intake import Intake

Send = Callable[..., Awaitable[Reply]]
DAY = 86_400


def github(**keys: Any) -> Endpoint:
    return endpoint({"preset": "github", "secret": SECRET}, "github-push", **keys)


def signed(preset: str, body: bytes, delivery: str) -> list[tuple[bytes, bytes]]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
    names = {
        "github": (b"x-hub-signature-256", b"sha256=", b"x-github-delivery"),
        "bitbucket": (b"x-hub-signature", b"sha256=", b"x-request-uuid"),
        "dropbox": (b"x-dropbox-signature", b"", b"x-nothing"),
        "generic": (b"x-signature", b"", b"x-event-id"),
    }
    header, prefix, mark = names[preset]
    return [(b"content-type", b"application/json"), (header, prefix + digest), (mark, delivery.encode())]


class Door:
    """An intake before a real store."""

    def __init__(self, store: Store, clock: FakeClock, made: Endpoint) -> None:
        self.store, self.clock, self.made = store, clock, made
        self.intake = Intake(store, clock, endpoints={made.name: made})

    async def send(self, body: bytes, delivery: str, query: bytes = b"") -> Reply:
        path = f"/webhooks/{self.made.name}"
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": signed(self.made.scheme.preset, body, delivery),
            "client": ("192.0.2.7", 4711),
        }
        return await call(self.intake, scope, [{"type": "http.request", "body": body, "more_body": False}])

    async def outcomes(self) -> list[tuple[str, Outcome]]:
        return [(one.event_id, one.outcome) for one in await self.store.deliveries(executor=self.made.name)]


def play(url: str, made: Endpoint, story: Callable[[Door], Awaitable[None]]) -> None:
    async def whole() -> None:
        clock = FakeClock()
        store = open_store(url, clock)
        try:
            await story(Door(store, clock, made))
        finally:
            await store.close()

    asyncio.run(whole())


def event_id(reply: Reply) -> str:
    return str(json.loads(reply.body)["event_id"])


def test_a_repeated_delivery_gets_the_same_answer_and_is_shown(store_url: str) -> None:
    async def story(door: Door) -> None:
        first, again = await door.send(b'{"n":1}', "a"), await door.send(b'{"n":1}', "a")
        assert (first.status, first.body) == (again.status, again.body) == (202, first.body)
        assert len(await door.store.events()) == 1
        assert [outcome for _, outcome in await door.outcomes()] == [Outcome.DUPLICATE]

    play(store_url, github(), story)


def test_a_captured_request_under_a_new_id_is_a_repetition(store_url: str) -> None:
    """GitHub's delivery id is not signed: whoever replays a captured push can write any other one."""

    async def story(door: Door) -> None:
        first, replayed = await door.send(b'{"n":1}', "a"), await door.send(b'{"n":1}', "b")
        assert (replayed.status, replayed.body) == (202, first.body)
        assert len(await door.store.events()) == 1
        ((where, outcome),) = await door.outcomes()
        assert (where, outcome) == (event_id(first), Outcome.DUPLICATE)

    play(store_url, github(), story)


@pytest.mark.parametrize("preset", ["bitbucket", "dropbox", "generic"])
def test_bodies_that_may_repeat_are_no_key(preset: str, store_url: str) -> None:
    async def story(door: Door) -> None:
        first, second = await door.send(b'{"n":1}', "a"), await door.send(b'{"n":1}', "b")
        assert event_id(first) != event_id(second)
        assert len(await door.store.events()) == 2

    play(store_url, endpoint({"preset": preset, "secret": SECRET}), story)


def test_a_key_that_the_file_names_stands_for_itself(store_url: str) -> None:
    """Whoever wants the delivery id alone says so."""

    async def story(door: Door) -> None:
        await door.send(b'{"n":1}', "a")
        await door.send(b'{"n":1}', "b")
        assert len(await door.store.events()) == 2

    play(store_url, github(dedupe={"key": "header:X-GitHub-Delivery"}), story)


def test_a_parameter_of_the_address_can_be_the_key(store_url: str) -> None:
    async def story(door: Door) -> None:
        first, again = [await door.send(b'{"n":1}', name, b"order=7&try=" + name.encode()) for name in "ab"]
        assert (again.status, again.body) == (202, first.body)
        assert event_id(await door.send(b'{"n":1}', "c", b"order=8")) != event_id(first)
        assert (await door.send(b'{"n":2}', "d", b"order=7")).status == 409
        twice = await door.send(b'{"n":1}', "e", b"order=7&order=8")
        assert twice.status == 401, "which one it is has no answer"

    play(store_url, github(dedupe={"key": "query:order"}), story)


def test_the_same_id_with_another_body_is_refused_and_both_are_kept(store_url: str) -> None:
    async def story(door: Door) -> None:
        await door.send(b'{"n":1}', "a")
        other = await door.send(b'{"n":2}', "a")
        assert other.status == 409
        events = await door.store.events()
        assert sorted(one.body or b"" for one in events) == [b'{"n":1}', b'{"n":2}']
        assert [one.body for one in await door.store.new_events()] == [b'{"n":1}']
        # The second body was never accepted, so under an id of its own it is a delivery like any other.
        assert (await door.send(b'{"n":2}', "b")).status == 202
        assert len(await door.store.new_events()) == 2

    play(store_url, github(), story)


def test_a_key_older_than_its_window_may_be_used_again(store_url: str) -> None:
    async def story(door: Door) -> None:
        first = await door.send(b'{"n":1}', "a")
        door.clock.advance(2 * DAY - 1)
        assert event_id(await door.send(b'{"n":1}', "a")) == event_id(first)
        door.clock.advance(2)
        later = await door.send(b'{"n":1}', "a")
        assert later.status == 202
        assert event_id(later) != event_id(first)
        assert event_id(await door.send(b'{"n":1}', "z")) == event_id(later), "the body's key has moved too"
        assert len(await door.store.new_events()) == 2

    play(store_url, github(dedupe={"window": "2d"}), story)


def test_windows_are_a_fortnight_or_the_preset_s_own() -> None:
    assert endpoint({"preset": "stripe", "secret": SECRET}).window == 14 * DAY * 1_000
    assert github().window == 30 * DAY * 1_000
    assert github(dedupe={"window": "1h"}).window == 3_600_000


def test_a_flood_of_the_same_delivery_is_one_event(store_url: str) -> None:
    async def story(door: Door) -> None:
        replies = await asyncio.gather(*[door.send(b'{"n":%d}' % (n % 5), f"{n % 5}-{n % 2}") for n in range(100)])
        assert {reply.status for reply in replies} == {202}
        assert len({event_id(reply) for reply in replies}) == 5
        assert len(await door.store.events()) == 5
        assert len(await door.outcomes()) == 95

    play(store_url, github(), story)


def test_presets_whose_bodies_are_keys_are_the_ones_with_a_time_in_them() -> None:
    from hub.triggers.webhook.presets import preset, preset_names

    unique = {name for name in preset_names() if preset(name).get("body_unique")}
    assert {"github", "gitea", "shopify", "jira"} <= unique
    assert not unique & {
        "dropbox",
        "sentry",
        "zendesk",
        "token",
        "basic",
        "bearer",
        "none",
        "gitlab",
        "generic",
        "plaid",
    }
