"""A target is away for a while, with a thousand executions that want it: when it is back they do not come all at once."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable

import pytest
from kit import NOON

from hub import RetryPolicy
from hub.engine import retry

RUNS = 1_000
OUTAGE = 400_000
WINDOW = 5_000
POLICY = RetryPolicy(max_retries=10, initial_backoff="1s", max_backoff="5m", backoff_multiplier=3)


class Away(Exception):
    def __init__(self, retry_after: float | None) -> None:
        super().__init__("away")
        self.retry_after = retry_after


def simulate(asks: Callable[[int], float | None]) -> tuple[list[int], int]:
    """When each try was made, in milliseconds since the outage began, and how many gave up.

    They begin evenly over its first minute; `asks` is what the target says at a moment, in seconds.
    """
    tries: list[int] = []
    given_up = 0
    due = [(number * 60_000 // RUNS, number, 0) for number in range(RUNS)]
    heapq.heapify(due)
    while due:
        at, number, retries = heapq.heappop(due)
        tries.append(at)
        if at >= OUTAGE:
            continue
        error = Away(asks(at))
        if not retry.may_retry(POLICY, error, retries):
            given_up += 1
            continue
        wait = retry.wait_before(POLICY, retries, f"run-{number}/fetch", error, NOON + at)
        heapq.heappush(due, (at + wait, number, retries + 1))
    return tries, given_up


def peak(tries: list[int], since: int) -> int:
    return max(Counter(at // WINDOW for at in tries if at >= since).values())


def steady(tries: list[int]) -> float:
    """What it is asked while it is away, once the waits are at their longest."""
    return sum(OUTAGE / 2 <= at < OUTAGE for at in tries) / (OUTAGE / 2 / WINDOW)


def test_after_it_is_back_it_is_asked_at_most_twice_as_often_as_before():
    tries, given_up = simulate(lambda _at: None)
    assert given_up < RUNS / 50
    assert peak(tries, OUTAGE) <= 2 * steady(tries)


def test_those_who_were_told_the_same_moment_do_not_come_at_the_same_moment():
    tries, given_up = simulate(lambda at: (OUTAGE - at) / 1000)
    assert given_up == 0
    assert len(tries) == 2 * RUNS, "nobody asks before the time"
    # They were told to stay away for some 400 s, and come within a quarter of that, evenly.
    late = [at - OUTAGE for at in tries if at >= OUTAGE]
    assert 0 <= min(late) <= max(late) <= OUTAGE / 4
    assert peak(tries, OUTAGE) <= 2 * RUNS / (OUTAGE / 4 / WINDOW)


@pytest.mark.parametrize("fault", ["no jitter", "what is asked for is all"])
def test_what_does_not_spread_would_be_seen(monkeypatch, fault):
    if fault == "no jitter":
        full = lambda policy, retries, _seed, _spread=0: min(policy.max_backoff, policy.initial_backoff * 3**retries)  # noqa: E731
        monkeypatch.setattr(retry, "backoff", full)
        with pytest.raises(AssertionError):
            test_after_it_is_back_it_is_asked_at_most_twice_as_often_as_before()
    else:
        monkeypatch.setattr(retry, "wait_before", lambda _p, _r, _s, error, now: retry.asked_for(error, now))
        with pytest.raises(AssertionError):
            test_those_who_were_told_the_same_moment_do_not_come_at_the_same_moment()
