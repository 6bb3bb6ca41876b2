"""The side door beside the main one, with real sockets between them: who comes there sees no difference."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit import PATIENCE
from test_connection import ODD, chunked, endpoint, push
from two_doors import Both, arrived, play

from hub.api import visitor
from hub.api.doorkeeper import Doorkeeper
from hub.api.passing import Values
from hub.api.side_door import CONFLICT, NEW, NOT_HERE, REPEATED
from hub.model.clock import SystemClock
from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent
from hub.store.events import arrival, sent


def test_a_delivery_is_answered_as_at_the_main_door_and_stored_as_it_came() -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        for number in range(3):
            body = b'{"number": %d}' % number
            status, said = await sender.ask(
                push(body, f"d-{number}", "X-GitHub-Event: ping", "Authorization: Bearer x")
            )
            assert status == 202
            event = await both.store.event(json.loads(said)["event_id"])
            assert event is not None
            assert (event.key, event.body, event.type) == (f"d-{number}", body, "ping")
            assert event.payload["headers"]["authorization"] == "[redacted]"
        assert both.adopted == 0, "it has stayed there"

    play(story)


def test_nothing_is_answered_before_it_is_stored(tmp_path: Path) -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        both.keep_back()
        sender.writer.write(push(b'{"held": 1}', "held"))
        await both.came.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sender.reader.read(1), 0.1)
        assert [event.key for event in await both.store.events() if event.key == "held"] == []
        both.release()
        status, _ = await sender.answer()
        assert status == 202
        assert [event.key for event in await both.store.events() if event.key == "held"] == ["held"]

    play(story, f"sqlite:///{tmp_path}/hub.db")


def test_repetitions_and_conflicts_are_answered_alike() -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        first = await sender.ask(push(b'{"a": 1}', "twice"))
        assert await sender.ask(push(b'{"a": 1}', "twice")) == first
        status, _ = await sender.ask(push(b'{"a": 2}', "twice"))
        assert status == 409
        assert both.adopted == 0

    play(story)


ELSEWHERE: dict[str, tuple[bytes, list[int]]] = {
    "a forgery": (push(b"{}", "f").replace(b"sha256=", b"sha256=00"), [401]),
    "no JSON": (push(b"{", "j"), [400]),
    "an unknown executor": (push(b"{}", "u", path="/webhooks/nobody"), [404]),
    "another face": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    "another method": (b"DELETE /webhooks/push HTTP/1.1\r\nHost: a\r\n\r\n", [405]),
    "two at once": (push(b'{"p": 1}', "p1") + push(b'{"p": 2}', "p2"), [202, 202]),
    "a wish to be told to go on": (push(b'{"e": 1}', "e", "Expect: 100-continue"), [202]),
    "a path with escapes": (push(b'{"q": 1}', "q", path="/webhooks/%70ush"), [202]),
    "a long one": (push(b'{"l": "' + b"x" * 200_000 + b'"}', "l"), [202]),
}


@pytest.mark.parametrize(("raw", "wanted"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_everything_else_is_given_back_and_answered_by_the_main_door(raw: bytes, wanted: list[int]) -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        sender.writer.write(raw)
        assert [(await sender.answer())[0] for _ in wanted] == wanted
        assert both.adopted == 1
        if wanted[0] not in (404, 405):  # those end the connection
            assert (await sender.ask(push(b'{"then": 1}', "then")))[0] == 202

    play(story)


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD.keys())
def test_what_is_no_proper_http_is_refused_here_too(raw: bytes) -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        sender.writer.write(raw + push(b'{"s": 1}', "smuggled"))
        assert (await sender.answer())[0] == 400
        assert await asyncio.wait_for(sender.reader.read(), PATIENCE) == b"", "nothing behind it is read"
        assert "smuggled" not in [event.key for event in await both.store.events()]

    play(story)


def test_what_stands_behind_a_body_in_chunks_is_no_part_of_its_head_here_either() -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        for _ in range(2):  # the second time at the main door, which it was given back to
            assert (await sender.ask(chunked(b'{"t": 1}')))[0] == 401
        assert both.adopted == 1

    play(story)


def test_a_body_in_pieces_is_taken_and_a_slow_one_goes_to_the_main_door(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        monkeypatch.setattr(visitor, "_COMING", PATIENCE)
        raw = push(b'{"pieces": 1}', "pieces")
        for start in range(0, len(raw), 40):
            sender.writer.write(raw[start : start + 40])
            await asyncio.sleep(0.001)
        assert (await sender.answer())[0] == 202
        assert both.adopted == 0
        monkeypatch.undo()
        raw = push(b'{"slow": 1}', "slow")
        sender.writer.write(raw[:-5])
        await both.back.wait()
        sender.writer.write(raw[-5:])
        assert (await sender.answer())[0] == 202

    play(story)


def test_who_sends_before_the_answer_is_answered_in_order() -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        both.keep_back()
        sender.writer.write(push(b'{"order": 1}', "o1"))
        await both.came.wait()
        sender.writer.write(push(b'{"order": 2}', "o2"))
        await asyncio.sleep(0.02)
        both.hold = False
        both.release()
        names = [json.loads((await sender.answer())[1])["event_id"] for _ in range(2)]
        assert [event.key for name in names if (event := await both.store.event(name))] == ["o1", "o2"]

    play(story)


def test_who_has_asked_and_sends_nothing_more_is_answered_at_both_doors() -> None:
    async def story(both: Both) -> None:
        for raw, wanted, adopted in [(push(b'{"last": 1}', "l"), 202, 0), (ELSEWHERE["a forgery"][0], 401, 1)]:
            sender = await arrived(both)
            both.keep_back()
            sender.writer.write(raw)
            sender.writer.write_eof()
            if not adopted:
                await both.came.wait()
            both.hold = False
            both.release()
            assert (await sender.answer())[0] == wanted
            assert await asyncio.wait_for(sender.reader.read(), PATIENCE) == b"", "and that was all"
            assert both.adopted == adopted

    play(story)


def test_a_limit_counts_at_both_doors_together() -> None:
    async def story(both: Both) -> None:
        begun = time.monotonic()
        sender = await arrived(both)
        taken = both.intake.gates.taken
        while (await sender.ask(push(b'{"n": %d}' % taken, f"n-{taken}")))[0] == 202:
            taken += 1
        assert both.adopted == 1, "the main door says so"
        assert taken == both.intake.gates.taken
        assert 30 <= taken <= 31 + (time.monotonic() - begun) / 2, "half a delivery comes in every second"

    play(story, endpoints={"push": replace(endpoint(), rate=30)})


def test_changed_files_hold_from_the_next_delivery_on() -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        both.intake.endpoints = {}
        both.keeper.changed("two")
        assert (await sender.ask(push(b'{"old": 1}', "old")))[0] == 404
        both.intake.endpoints = {"push": endpoint()}
        both.keeper.changed("three")
        both.files = ("three", both.intake.endpoints)
        await arrived(both)

    play(story)


def test_a_store_that_cannot_be_written_is_told_and_the_sender_comes_again() -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        both.keep_back()
        sender.writer.write(push(b'{"down": 1}', "down"))
        await both.came.wait()
        both.messages[0][1](StoreUnavailable("planted"))
        assert (await sender.answer())[0] == 503
        assert both.intake.gates.inside == 0
        both.hold = False
        assert (await sender.ask(push(b'{"down": 1}', "down")))[0] == 202

    play(story)


def test_what_cannot_be_stored_together_is_stored_by_itself_at_the_main_door() -> None:
    async def story(both: Both) -> None:
        sender = await arrived(both)
        both.keep_back()
        sender.writer.write(push(b'{"beside": 1}', "beside"))
        await both.came.wait()
        both.messages[0][1](RuntimeError("planted"))
        assert (await sender.answer())[0] == 202
        assert both.adopted == 1
        assert both.intake.gates.inside == 0
        assert [event.key for event in await both.store.events() if event.key == "beside"] == ["beside"]

    play(story)


def test_of_many_that_ask_at_once_sixteen_go_in_a_message_and_each_is_stored_once() -> None:
    """So that the first ones are stored while the last ones are still being checked."""

    async def story(both: Both) -> None:
        senders = [await arrived(both) for _ in range(40)]
        both.keep_back()
        for number, sender in enumerate(senders):
            sender.writer.write(push(b'{"burst": %d}' % number, f"burst-{number}"))
        async with asyncio.timeout(PATIENCE):
            while sum(len(rows) for rows, _ in both.messages) < len(senders):
                await both.came.wait()
                both.came.clear()
        sizes = [len(rows) for rows, _ in both.messages]
        both.release()
        assert [status for status, _ in [await sender.answer() for sender in senders]] == [202] * len(senders)
        keys = [event.key for event in await both.store.events(limit=1_000) if (event.key or "").startswith("burst-")]
        assert sorted(keys) == sorted(f"burst-{number}" for number in range(len(senders)))
        assert max(sizes) <= 16

    play(story)


def test_of_one_message_each_has_its_own_fate() -> None:
    """The side door is played by hand: new ones, a repetition, another body under the same id, and one that is not known here."""

    async def story(both: Both) -> None:
        ours, theirs = socket.socketpair()
        passage, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        keeper = Doorkeeper(both.intake, both.hand_in, SystemClock(), "one")
        await keeper.start(ours, passage, lambda _connection, _data: None)
        said: asyncio.Queue[Any] = asyncio.Queue()
        side = Values(lambda value, _data: said.put_nowait(value), lambda: None)
        await asyncio.get_running_loop().create_unix_connection(lambda: side, sock=theirs)
        names, rows, data = [], [], b""
        for number, (name, key, body) in enumerate(
            [("push", "a", b"1"), ("nobody", "b", b"2"), ("push", "a", b"1"), ("push", "c", b"3"), ("push", "a", b"4")]
        ):
            made = arrival(NewEvent("webhook:push", key, "push", 1, {"n": "\u00fc"}, body=body), 1, f"E{number}")
            row, more = sent(made)
            rows.append((name, row, len(more)))
            names.append(made.id)
            data += more
        side.send(("events", 7, "one", rows), data)
        kind, (number, fates), _ = await asyncio.wait_for(said.get(), PATIENCE)
        assert (kind, number) == ("answers", 7)
        first, _, _, third, _ = names
        assert fates == [[NEW, first], [NOT_HERE, ""], [REPEATED, first], [NEW, third], [CONFLICT, first]]
        assert both.intake.gates.inside == 0
        made = arrival(NewEvent("webhook:push", "d", "push", 1, {}, body=b"5"), 1, "E5")
        side.send(("events", 8, "one", [("push", sent(made)[0], len(sent(made)[1]))]), sent(made)[1])
        assert (await asyncio.wait_for(said.get(), PATIENCE))[1] == [8, []], "its id is known where it was made"
        event = await both.store.event(third)
        assert event is not None
        assert (event.body, event.payload) == (b"3", {"n": "\u00fc"})
        side.close()
        other.close()
        assert await keeper.stop()

    play(story)


def test_the_side_door_goes_by_the_time_of_the_main_process() -> None:
    """Which may be that of the nodes' database, and another one than the machine's."""
    hour = 3_600_000

    async def story(both: Both) -> None:
        sender = await arrived(both)
        _, said = await sender.ask(push(b'{"time": 1}', "time"))
        event = await both.store.event(json.loads(said)["event_id"])
        assert event is not None
        assert abs(event.received_at - SystemClock().now() - hour) < hour / 2
        assert abs(event.time - SystemClock().now() - hour) < hour / 2

    play(story, ahead=hour)
