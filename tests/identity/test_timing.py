"""Time tells nothing of secrets: Welch's t-test between two kinds of guesses, taken in random order.

Above 4.5 a difference is taken for proven, as in leakage assessments of smart cards.
The slowest tenth is left out: that is what else the machine did.
"""

from __future__ import annotations

import asyncio
import math
import random
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path

import pytest

from hub.assembly.files import read_files
from hub.assembly.parts import Parts, open_parts
from hub.identity.opaque import MACHINE_USER, digest_of, new_secret, same_digest
from hub.model.errors import Unauthenticated

PROVEN = 4.5
#: What a busy machine adds to one side differs from one measurement to the next; what a comparison gives away does not.
_MEASUREMENTS = 8
_WARM = 2_000


def welch(one: Sequence[int], other: Sequence[int]) -> float:
    """How many standard errors lie between the means."""
    one, other = (sorted(times)[: len(times) * 9 // 10] for times in (one, other))
    errors = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(errors)


def measured(compare: Callable[[str, str], bool], samples: int) -> float:
    """Digests of which all but the last character is right, against ones of which nothing is."""
    stored = digest_of(new_secret(MACHINE_USER))
    near = stored[:-1] + ("0" if stored[-1] != "0" else "1")
    far = "".join("0" if character != "0" else "1" for character in stored)
    times: tuple[list[int], list[int]] = ([], [])
    for number in range(samples + _WARM):
        which = secrets.randbits(1)
        guess = (near, far)[which]
        begun = time.perf_counter_ns()
        compare(stored, guess)
        taken = time.perf_counter_ns() - begun
        if number >= _WARM:
            times[which].append(taken)
    return welch(*times)


def least(measure: Callable[[], float]) -> float:
    """Of several measurements the one with the smallest difference; the first that proves nothing is enough."""
    found = math.inf
    for _ in range(_MEASUREMENTS):
        found = min(found, abs(measure()))
        if found < PROVEN:
            break
    return found


def careless(one: str, other: str) -> bool:
    """What must not be done."""
    return all(left == right for left, right in zip(one, other, strict=True))


def test_how_much_of_a_digest_is_right_takes_no_time() -> None:
    found = any(abs(measured(careless, 5_000)) > 10 * PROVEN for _ in range(_MEASUREMENTS))
    assert found, "a comparison that gives it away is found out"
    assert least(lambda: measured(same_digest, 20_000)) < PROVEN


@pytest.mark.long
@pytest.mark.timeout(600)
def test_how_much_of_a_digest_is_right_takes_no_time_at_length() -> None:
    assert least(lambda: measured(same_digest, 100_000)) < PROVEN


CONFIG = """\
auth:
  main-auth:
    machine_users:
      bot: {permissions: ["workflow:start"]}
"""


class _Open:
    """Lets everybody try."""

    async def admit(self, address: str, name: str) -> None: ...

    def failed(self, address: str, name: str) -> None: ...

    def succeeded(self, address: str, name: str) -> None: ...


async def exchanges(parts: Parts, samples: int) -> float:
    """A name that there is, against names that there are not, each with a wrong secret."""
    await parts.client.new_secret("bot")
    parts.driver.gate.throttle = _Open()  # type: ignore[assignment]  # what is measured comes behind it
    times: tuple[list[int], list[int]] = ([], [])

    async def guess(name: str) -> int:
        wrong = new_secret(MACHINE_USER)
        begun = time.perf_counter_ns()
        with pytest.raises(Unauthenticated):
            await parts.client.exchange(name, wrong)
        return time.perf_counter_ns() - begun

    for number in range(samples + 200):
        which = random.getrandbits(1)
        taken = await guess(("main-auth/bot", "main-auth/bat")[which])
        if number >= 200:
            times[which].append(taken)
    return welch(*times)


def play(root: Path, story: Callable[[Parts], Awaitable[float]]) -> float:
    async def whole() -> float:
        parts = await open_parts(read_files(root, {}))
        try:
            return await story(parts)
        finally:
            await parts.close()

    (root / "config").mkdir()
    (root / "config/hub.yaml").write_text(CONFIG)
    return asyncio.run(whole())


def a_name_that_there_is_not(folder: Path, samples: int) -> float:
    rounds = count()

    def measure() -> float:
        (root := folder / str(next(rounds))).mkdir()
        return play(root, lambda parts: exchanges(parts, samples))

    return least(measure)


def test_a_name_that_there_is_not_takes_about_as_long(quick_path: Path) -> None:
    assert a_name_that_there_is_not(quick_path, 3_000) < PROVEN


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_a_name_that_there_is_not_takes_as_long_as_a_wrong_secret(quick_path: Path) -> None:
    assert a_name_that_there_is_not(quick_path, 100_000) < PROVEN
