"""Refused deliveries: how many are kept, what of them, and what a flood of them costs."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import FakeClock
from webhook_kit import SECRET, Desk, endpoint

from hub.store import open_store
from hub.store.refused import KEPT_MS, LARGEST_BODY, MOST, MOST_OF_ONE, RefusedDelivery
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.examine import examine
from hub.triggers.webhook.keeping import BURST, RefusedKeeper
from hub.triggers.webhook.request import RawRequest, Verdict
from hub.triggers.webhook.sealing import BrokenSeal, Seal, seal_of
from hub.triggers.webhook.sign import sign

GITHUB = {"preset": "github", "secret": SECRET}
SEAL = Seal(bytes(32))
WRONG = Verdict(ok=False, step="signature", reason="no signature matches")
NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20).map(str.encode)
VALUES = st.binary(max_size=60)


@given(st.text(max_size=50), st.lists(st.tuples(NAMES, VALUES), max_size=10), st.binary(max_size=200))
def test_a_sealed_request_comes_out_as_it_went_in(url: str, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    sealed = SEAL.close(RawRequest("POST", url, headers, body))
    again = SEAL.open(sealed, body)
    assert (again.method, again.url, list(again.headers), again.body) == ("POST", url, headers, body)
    assert all(value not in sealed for _, value in headers if len(value) > 4)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    sealed = SEAL.close(RawRequest("POST", "/", [(b"a", b"b")], b""))
    for other, text in ((Seal(b"1" * 32), sealed), (SEAL, sealed[:-1] + bytes([sealed[-1] ^ 1])), (SEAL, b"")):
        with pytest.raises(BrokenSeal):
            other.open(text, b"")
    made = seal_of(tmp_path / "var" / "key")
    assert seal_of(tmp_path / "var" / "key").open(made.close(RawRequest("GET", "/x", [], b"")), b"").url == "/x"
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["key"]


def request(body: bytes = b"{}", url: str = "/webhooks/erp-push?token=hidden&x=1") -> RawRequest:
    headers = [(b"x-hub-signature-256", b"sha256=hidden"), (b"x-mine", b"1"), (b"content-type", b"application/json")]
    return RawRequest("POST", url, headers, body)


def keeper(clock: FakeClock, kept: list[RefusedDelivery]) -> RefusedKeeper:
    made = endpoint(GITHUB)
    return RefusedKeeper(kept.append, clock, SEAL, lambda: {made.name: made})


def test_credentials_are_not_among_what_can_be_read() -> None:
    kept: list[RefusedDelivery] = []
    keeper(FakeClock(), kept)("erp-push", WRONG, request())
    (one,) = kept
    assert one.headers == {
        "x-hub-signature-256": "[redacted]",
        "x-mine": "1",
        "content-type": "application/json",
    }
    assert one.url == "/webhooks/erp-push?token=[redacted]&x=1"
    assert b"hidden" not in one.sealed
    assert SEAL.open(one.sealed, one.body).value(b"x-hub-signature-256") == b"sha256=hidden"


def test_a_large_body_is_cut() -> None:
    kept: list[RefusedDelivery] = []
    keeper(FakeClock(), kept)("erp-push", WRONG, request(b"x" * (LARGEST_BODY + 1)))
    assert (len(kept[0].body), kept[0].size, kept[0].whole) == (LARGEST_BODY, LARGEST_BODY + 1, False)


def test_a_flood_is_counted_not_kept() -> None:
    clock, kept = FakeClock(), list[RefusedDelivery]()
    keep = keeper(clock, kept)
    for _ in range(10_000):
        keep("erp-push", WRONG, request())
    assert len(kept) == BURST
    clock.advance(2)
    for _ in range(10_000):
        keep("erp-push", WRONG, request())
    assert len(kept) == BURST + 10
    keep("nobody", WRONG, request())
    assert len(kept) == BURST + 10


def test_the_oldest_go_first(store_url: str) -> None:
    async def story() -> None:
        clock, kept = FakeClock(), list[RefusedDelivery]()
        store = open_store(store_url, clock)
        try:
            keeper(clock, kept)("erp-push", WRONG, request())
            for n in range(MOST_OF_ONE + 30):
                store.keep_refused(replace(kept[0], reason=str(n)))
            await store.flush()
            found = await store.refused("erp-push", 10_000)
            assert [one.reason for one in found] == [str(n) for n in range(MOST_OF_ONE + 29, 29, -1)]
            for executor in range(MOST // MOST_OF_ONE):
                for _ in range(MOST_OF_ONE):
                    store.keep_refused(replace(kept[0], executor=f"other-{executor}"))
                await store.flush()
            assert len(await store.refused(None, 10_000)) == MOST
            assert await store.refused("erp-push", 10) == []
            store.keep_refused(replace(kept[0], received_at=clock.now() + KEPT_MS + 1))
            await store.flush()
            assert len(await store.refused(None, 10_000)) == 1
        finally:
            await store.close()

    asyncio.run(story())


def test_an_intake_hands_over_what_it_refuses_and_says_a_flood_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    made = endpoint(GITHUB)
    desk = Desk(made, on_refused=lambda _name, verdict, _request: seen.append(verdict.step))
    good = sign(made, b"{not json", desk.clock.now())
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            assert desk.post(b"{}", {"content-type": "application/json"}).status_code == 401
        assert desk.post(good.body, dict(good.headers)).status_code == 400
        desk.clock.seconds += 1
        desk.post(b"{}", {"content-type": "application/json"})
    assert seen == ["header"] * 50 + ["body"] + ["header"]
    lines = [record.getMessage() for record in caplog.records if "(header)" in record.getMessage()]
    assert len(lines) == 2
    assert "49 more" in lines[1]


def test_a_request_is_examined_at_the_time_when_it_came() -> None:
    made = endpoint({"preset": "stripe", "secret": f"whsec_{SECRET}"})
    at = 1_700_000_000_000
    signed = sign(made, b'{"id":"evt_1","type":"x"}', at)
    headers = [(name.encode(), value.encode()) for name, value in signed.headers.items()]
    whole = RawRequest("POST", "/webhooks/erp-push", headers, signed.body)
    examined = asyncio.run(examine(made, whole, at, Documents()))
    assert [step.name for step in examined.steps] == ["head", "proof", "body"]
    assert examined.event is not None
    assert (examined.event.key, examined.event.time) == ("evt_1", at)
    late = asyncio.run(examine(made, whole, at + 86_400_000, Documents()))
    assert (late.ok, late.steps[-1].name) == (False, "window")
