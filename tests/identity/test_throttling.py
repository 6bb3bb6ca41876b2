from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from kit import FakeClock

from hub.identity.throttle import ABOUT_NAME, FROM_ADDRESS, Throttle
from hub.model.errors import TooManyTries
from hub.store import open_store


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def throttle(clock: FakeClock) -> Throttle:
    return Throttle(clock)


def admit(throttle: Throttle, address: str, name: str) -> None:
    asyncio.run(throttle.admit(address, name))


def guess(throttle: Throttle, address: str, name: str, times: int) -> int:
    """Guess wrongly; how often one was let try."""
    admitted = 0
    for _ in range(times):
        try:
            admit(throttle, address, name)
        except TooManyTries:
            continue
        admitted += 1
        throttle.failed(address, name)
    return admitted


def test_a_thousand_guesses_about_one_name_come_to_a_few(throttle: Throttle) -> None:
    assert guess(throttle, "198.51.100.1", "ada", 1_000) == ABOUT_NAME
    with pytest.raises(TooManyTries) as caught:
        admit(throttle, "198.51.100.1", "ada")
    assert 1 <= caught.value.seconds <= 4


def test_a_thousand_guesses_from_one_address_come_to_a_few(throttle: Throttle) -> None:
    assert sum(guess(throttle, "198.51.100.1", f"name-{number}", 1) for number in range(1_000)) == FROM_ADDRESS


def test_others_are_not_touched(throttle: Throttle) -> None:
    guess(throttle, "198.51.100.1", "ada", 1_000)
    admit(throttle, "198.51.100.2", "grace")
    admit(throttle, "198.51.100.2", "")


def test_guesses_from_everywhere_about_one_name_are_stopped_and_do_not_lock_that_one_out(throttle: Throttle) -> None:
    throttle.succeeded("203.0.113.7", "ada")
    admitted = sum(guess(throttle, f"198.51.100.{number}", "ada", 4) for number in range(250))
    assert admitted == ABOUT_NAME
    admit(throttle, "203.0.113.7", "ada")
    with pytest.raises(TooManyTries):
        admit(throttle, "203.0.113.8", "ada")


def test_whoever_was_right_once_may_not_guess_for_ever(throttle: Throttle) -> None:
    throttle.succeeded("203.0.113.7", "ada")
    assert guess(throttle, "203.0.113.7", "ada", 1_000) == FROM_ADDRESS


def test_patience_is_rewarded(throttle: Throttle, clock: FakeClock) -> None:
    guess(throttle, "198.51.100.1", "ada", 1_000)
    with pytest.raises(TooManyTries) as caught:
        admit(throttle, "198.51.100.1", "ada")
    clock.advance(caught.value.seconds)
    admit(throttle, "198.51.100.1", "ada")
    clock.advance(3_600)
    assert guess(throttle, "198.51.100.1", "ada", 1_000) == ABOUT_NAME


def test_one_line_a_minute(throttle: Throttle, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        guess(throttle, "198.51.100.1", "ada", 1_000)
        assert len(caplog.records) == 1
        clock.advance(61)
        guess(throttle, "198.51.100.1", "ada", 10)
    assert len(caplog.records) == 2
    assert "ada" not in caplog.text, "what they typed may be a password"


def test_a_flood_of_addresses_takes_no_memory(throttle: Throttle) -> None:
    for number in range(30_000):
        throttle.failed(f"address-{number}", f"name-{number}")
        throttle.succeeded(f"address-{number}", f"name-{number}")
    assert len(throttle._free_at) <= 20_000


def test_all_nodes_count_together_and_a_restart_forgives_nothing(quick_path: Path, clock: FakeClock) -> None:
    async def guesses(throttle: Throttle, address: str, name: str, times: int) -> int:
        admitted = 0
        for _ in range(times):
            try:
                await throttle.admit(address, name)
            except TooManyTries:
                continue
            admitted += 1
            throttle.failed(address, name)
        return admitted

    async def story() -> None:
        store = open_store(f"sqlite:///{quick_path}/hub.db", clock)
        here, there = Throttle(clock, store), Throttle(clock, store)
        here.succeeded("203.0.113.7", "ada")
        assert await guesses(here, "198.51.100.1", "ada", 15) == 15
        await store.flush()
        assert await guesses(there, "198.51.100.2", "ada", 15) == ABOUT_NAME - 15, "the other node knows of them"
        await store.flush()
        clock.advance(2)
        assert await guesses(here, "198.51.100.3", "ada", 15) == 0
        await store.close()

        store = open_store(f"sqlite:///{quick_path}/hub.db", clock)
        again = Throttle(clock, store)
        assert await guesses(again, "198.51.100.4", "ada", 15) == 0, "the restart has not forgotten"
        await again.admit("203.0.113.7", "ada")
        clock.advance(60)
        assert await guesses(again, "198.51.100.4", "ada", 100) == ABOUT_NAME
        await store.flush()
        assert "ada" not in str(await store.tries(list(again._free_at)))
        await store.close()

    asyncio.run(story())


def test_a_clock_that_was_set_back_locks_nobody_out(throttle: Throttle, clock: FakeClock) -> None:
    guess(throttle, "198.51.100.1", "ada", 1_000)
    clock.advance(-86_400)
    assert guess(throttle, "198.51.100.1", "ada", 1_000) == ABOUT_NAME
