"""The checkers of histories themselves: good ones pass, and each planted fault in one is told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import permutations

import pytest
from history import Epochs, Seen, Step, Turn, Work, epochs, one_at_a_time, read, register, set_full, total_queue

# --- a set


def test_what_is_acknowledged_is_in_every_later_read() -> None:
    reads = [Seen(2, 3, ["a"]), Seen(4, 5, ["a", "b", "unsure"]), Seen(6, 7, ["a", "b", "unsure"])]
    assert set_full(["a", "b", "unsure", "never"], {"a": 1, "b": 3.5}, reads) == []


def test_what_is_acknowledged_during_a_read_may_be_missing_in_it() -> None:
    assert set_full(["a"], {"a": 2.5}, [Seen(2, 3, [])]) == []


@pytest.mark.parametrize(
    ("reads", "told"),
    [
        ([Seen(2, 3, [])], "lost: a was acknowledged at 1.000"),
        ([Seen(2, 3, ["a"]), Seen(4, 5, []), Seen(6, 7, ["a"])], "is not in the read at 4.000"),
        ([Seen(2, 3, ["a", "unsure"]), Seen(4, 5, ["a"])], "lost: unsure was read at 3.000"),
        ([Seen(2, 3, ["a", "a"])], "twice in the read at 2.000: ['a']"),
        ([Seen(2, 3, ["a", "stranger"])], "stranger was read at 2.000 and never added"),
    ],
)
def test_a_set_that_loses_or_invents_is_told(reads: list[Seen], told: str) -> None:
    found = set_full(["a", "unsure"], {"a": 1}, reads)
    assert any(told in one for one in found), found


# --- a queue


def test_effects_are_as_many_as_tries_give_or_take_those_in_flight() -> None:
    recorded = {"x": Work(1), "y": Work(2, 1), "z": Work(1, 1)}
    assert total_queue(["x"], [("x", 1), ("y", 2), ("z", 1), ("z", 1)], recorded) == []


@pytest.mark.parametrize(
    ("done", "told"),
    [
        ([], "never done: x was accepted"),
        ([("x", 1), ("x", 1)], "x: 2 effects of 1 tries, with 0 claims lost"),
        ([("x", 1), ("y", 1), ("y", 2), ("y", 2), ("y", 2)], "y: 4 effects of 2 tries, with 1 claims lost"),
        ([("x", 2)], "x: try 2 was done, and 1 are recorded"),
        ([("x", 1), ("q", 1)], "q was done 1 times and is not recorded"),
        ([("x", 1), ("w", 3)], "w: 1 effects of 3 tries, with 1 claims lost"),
    ],
)
def test_a_queue_that_forgets_or_repeats_is_told(done: list[tuple[str, int]], told: str) -> None:
    found = total_queue(["x"], done, {"x": Work(1), "y": Work(2, 1), "w": Work(3, 1)})
    assert told in found


# --- a register


def test_steps_side_by_side_may_come_in_any_order_that_fits() -> None:
    steps = [Step("c", 1, 2, 0, 10), Step("c", 0, 1, 0, 10), read("r", 2, 5, 6), read("r", 1, 4, 5), read("r", 0, 0, 1)]
    assert register(steps) == []
    assert register([*steps, read("r", 1, 7, 8)]), "it was 2 before"


def test_a_later_step_does_not_come_before_one_that_has_ended() -> None:
    assert register([Step("c", 0, 1, 2, 3), read("r", 1, 0, 1)]) == ["an epoch of 0, and then r of 1"]
    assert register([Step("c", 0, 1, 0, 1), Step("c", 0, 1, 0, 1)]), "two that both found 0"


def test_the_search_finds_what_trying_every_order_finds() -> None:
    """Small histories at random, most of them impossible."""
    choose = random.Random(5)
    good = 0
    for _ in range(800):
        steps = [_any_step(choose) for _ in range(choose.randint(1, 6))]
        possible = any(_holds(order) for order in permutations(steps))
        assert (register(steps) == []) == possible, steps
        good += possible
    assert 60 < good < 740


def _any_step(choose: random.Random) -> Step:
    begun, value = choose.randint(0, 8), choose.randint(0, 2)
    left = choose.choice([value, value + 1])
    return Step("s", value, left, begun, begun + choose.randint(1, 8))


def _holds(order: Sequence[Step]) -> bool:
    now = 0
    for place, step in enumerate(order):
        if step.found != now or any(later.ended < step.begun for later in order[place:]):
            return False
        now = step.left
    return True


# --- epochs


def _seen(at: float, epoch: int, **calls: int) -> Epochs:
    return Epochs(at, at + 1, {"e": (epoch, calls)})


def test_epochs_grow_with_each_claim() -> None:
    reads = [Epochs(0, 1, {}), _seen(4, 1, first=1), _seen(10, 3, first=1, second=2), _seen(20, 3, first=1, second=3)]
    assert epochs([("e", 1, 3), ("e", 2, 7), ("e", 3, 15)], reads) == []


@pytest.mark.parametrize(
    ("effects", "reads"),
    [
        pytest.param([], [_seen(0, 2), _seen(5, 1)], id="went down"),
        pytest.param([], [_seen(0, 2), _seen(5, 2, first=1)], id="a write of an older claim"),
        pytest.param([], [_seen(0, 2, first=2), _seen(5, 3, first=1)], id="an older claim wrote over it"),
        pytest.param([], [_seen(0, 1, first=2)], id="a write of a claim that never was"),
        pytest.param([("e", 2, 1), ("e", 1, 3)], [_seen(5, 2)], id="an older claim went on working"),
        pytest.param([("e", 1, 7)], [_seen(3, 2)], id="an older claim worked after a newer one was seen"),
        pytest.param([("e", 3, 7)], [_seen(9, 2)], id="a claim was forgotten"),
    ],
)
def test_a_broken_fence_is_told(effects: list[tuple[str, int, float]], reads: list[Epochs]) -> None:
    found = epochs(effects, reads)
    assert found
    assert all(one.startswith(("e: an epoch of ", "e: a write of first carried ")) for one in found)


# --- turns


def _turns(text: str) -> list[Turn]:
    """ "a1" begins and "-a1" ends, each of the key that its letter is."""
    return [Turn(one.strip("-")[0], one.strip("-"), one.startswith("-")) for one in text.split()]


@pytest.mark.parametrize("text", ["", "a1 -a1 a2 -a2", "a1 b1 -b1 b2 -a1 -b2 a2 -a2", "a1 a1 -a1 a2 a2 a2 -a2"])
def test_turns_one_after_the_other_are_fine_and_one_that_was_cut_off_begins_again(text: str) -> None:
    assert one_at_a_time(_turns(text), ["a1", "b1", "a2", "b2"]) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a1 a2 -a1 -a2", "key a: a2 began while a1 was under way"),
        ("a1 a2 -a2 a1 -a1", "key a: a2 began while a1 was under way"),
        ("a2 -a2 a1 -a1", "key a: a1 began after a2, which came later"),
        ("a1 -a1 a2 -a2 a1 -a1", "key a: a1 began after a2, which came later"),
        ("a1 -a2 -a1", "key a: a2 ended while a1 was under way"),
    ],
)
def test_a_turn_that_somebody_else_had_is_told(text: str, told: str) -> None:
    assert told in one_at_a_time(_turns(text), ["a1", "a2"])
