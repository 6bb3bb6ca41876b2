"""Whether what was seen of a hub from outside can have come about: sets, a queue, and a register that is compared and set.

Pure functions over histories, each giving a sentence for each thing that cannot be. Times are seconds of one clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Seen:
    """A read of all elements of a set, and from when to when it took."""

    begun: float
    ended: float
    elements: Collection[str]


def set_full(added: Collection[str], acknowledged: Mapping[str, float], reads: Iterable[Seen]) -> list[str]:
    """Each acknowledged element is in every read that begins later, and so is each one that a read has once shown.

    `added`: all that somebody has tried to add; `acknowledged`: when the answer to it had come.
    """
    wrong = []
    known = dict.fromkeys(added)
    shown: dict[str, float] = {}
    for read in sorted(reads, key=lambda one: one.begun):
        here = set(read.elements)
        if len(here) != len(read.elements):
            twice = sorted(one for one, count in Counter(read.elements).items() if count > 1)
            wrong.append(f"twice in the read at {read.begun:.3f}: {twice[:5]}")
        wrong += [f"{one} was read at {read.begun:.3f} and never added" for one in sorted(here - known.keys())]
        for what, since in (("acknowledged", acknowledged), ("read", shown)):
            wrong += [
                f"lost: {one} was {what} at {at:.3f} and is not in the read at {read.begun:.3f}"
                for one, at in since.items()
                if at < read.begun and one not in here
            ]
        for one in here:
            shown[one] = min(read.ended, shown.get(one, inf))
    return wrong


@dataclass(frozen=True, slots=True)
class Work:
    """What is stored of a call that has ended: how many tries were counted, and how many claims of its execution were lost."""

    tries: int
    losses: int = 0


def total_queue(accepted: Iterable[str], done: Sequence[tuple[str, int]], recorded: Mapping[str, Work]) -> list[str]:
    """All that was accepted is done at least once, and as often as is recorded: each lost claim may have left one try in flight.

    `done`: (call, its try) of each effect; `recorded`: of each call. Of `accepted` calls everything must be there.
    """
    effects = Counter(call for call, _ in done)
    wrong = [f"never done: {call} was accepted" for call in sorted(set(accepted) - effects.keys())]
    for call, count in effects.items():
        work = recorded.get(call)
        if work is None:
            wrong.append(f"{call} was done {count} times and is not recorded")
        elif not work.tries - work.losses <= count <= work.tries + work.losses:
            wrong.append(f"{call}: {count} effects of {work.tries} tries, with {work.losses} claims lost")
    wrong += [
        f"{call}: try {number} was done, and {recorded[call].tries} are recorded"
        for call, number in done
        if call in recorded and number > recorded[call].tries
    ]
    return wrong


@dataclass(frozen=True, slots=True)
class Step:
    """One use of a register, which takes effect at some moment from `begun` to `ended`: it finds `found` and leaves `left`."""

    what: str
    found: int
    left: int
    begun: float
    ended: float


def read(what: str, value: int, begun: float, ended: float) -> Step:
    """A read, or a write elsewhere that holds only while the register has this value."""
    return Step(what, value, value, begun, ended)


def register(steps: Collection[Step], value: int = 0) -> list[str]:
    """Whether the steps can have happened one after the other, each within its time. At most one sentence: where it ends.

    The search of Wing and Gong: of the steps that no other one had to precede, one that finds its value comes first.
    """
    rest = sorted(steps, key=lambda step: (step.begun, step.ended))
    tried: set[tuple[frozenset[int], int]] = set()
    todo = [(frozenset(range(len(rest))), value)]
    furthest = todo[0]
    while todo:
        left, now = _without_reads(rest, *todo.pop())
        if not left:
            return []
        if (left, now) in tried:
            continue
        tried.add((left, now))
        furthest = min(furthest, (left, now), key=lambda one: len(one[0]))
        todo += [(left - {number}, rest[number].left) for number in _next(rest, left) if rest[number].found == now]
    left, now = furthest
    stuck = ", ".join(f"{rest[number].what} of {rest[number].found}" for number in _next(rest, left)[:3])
    return [f"an epoch of {now}, and then {stuck}"]


def _without_reads(rest: Sequence[Step], left: frozenset[int], now: int) -> tuple[frozenset[int], int]:
    """Steps that change nothing come as early as they can: that never hinders another one."""
    while going := [number for number in _next(rest, left) if rest[number].found == rest[number].left == now]:
        left -= frozenset(going)
    return left, now


def _next(rest: Sequence[Step], left: frozenset[int]) -> list[int]:
    """The steps that began before any other one had ended."""
    first = min((rest[number].ended for number in left), default=inf)
    return sorted(number for number in left if rest[number].begun <= first)


@dataclass(frozen=True, slots=True)
class Epochs:
    """A read of executions' epochs, and of those that their calls were last written with: {execution: (epoch, {call: epoch})}."""

    begun: float
    ended: float
    executions: Mapping[str, tuple[int, Mapping[str, int]]]


def epochs(effects: Iterable[tuple[str, int, float]], reads: Iterable[Epochs]) -> list[str]:
    """Of each execution the epoch only grows, by one with each claim, and each write and each effect carries the newest.

    `effects`: (execution, the epoch that it carried, when).
    """
    wrong: list[str] = []
    steps: dict[str, list[Step]] = {}
    for execution, epoch, at in effects:
        steps.setdefault(execution, []).append(read("an effect", epoch, at, at))
    before = Epochs(-inf, -inf, {})
    for seen in sorted(reads, key=lambda one: one.begun):
        for execution, (epoch, calls) in seen.executions.items():
            earlier, known = before.executions.get(execution, (0, {}))
            fresh = {call: written for call, written in calls.items() if known.get(call) != written}
            # A read is of one moment: between two of them, these writes came after the one and before the other.
            wrong += [
                f"{execution}: a write of {call} carried {written}, between reads of {earlier} and {epoch}"
                for call, written in fresh.items()
                if not earlier <= written <= epoch
            ]
            found = steps.setdefault(execution, [])
            found.append(read("a read", epoch, seen.begun, seen.ended))
            found += [read(f"a write of {call}", written, before.begun, seen.ended) for call, written in fresh.items()]
        before = seen
    return wrong + [
        f"{execution}: {one}" for execution, some in steps.items() for one in register([*some, *_claims(some)])
    ]


def _claims(steps: Sequence[Step]) -> list[Step]:
    """One for each epoch: nobody has seen when it began, only by when it had been."""
    newest = max(step.found for step in steps)
    return [
        Step("a claim", epoch - 1, epoch, -inf, min(step.ended for step in steps if step.found >= epoch))
        for epoch in range(1, newest + 1)
    ]


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody has begun to work on a key, or come to the end of it."""

    key: str
    who: str
    ended: bool = False


def one_at_a_time(turns: Iterable[Turn], order: Sequence[str]) -> list[str]:
    """Of each key nobody begins before the one before has ended, and all begin in their order.

    Whoever was cut off begins again before anybody else does. `order`: who came after whom.
    """
    wrong: list[str] = []
    place = {who: number for number, who in enumerate(order)}
    under_way: dict[str, str] = {}
    latest: dict[str, str] = {}
    for turn in turns:
        before = under_way.get(turn.key, turn.who)
        if before != turn.who:
            wrong.append(
                f"key {turn.key}: {turn.who} {'ended' if turn.ended else 'began'} while {before} was under way"
            )
        if turn.ended:
            under_way.pop(turn.key, None)
            continue
        under_way[turn.key] = turn.who
        last = latest.setdefault(turn.key, turn.who)
        if place[turn.who] < place[last]:
            wrong.append(f"key {turn.key}: {turn.who} began after {last}, which came later")
        else:
            latest[turn.key] = turn.who
    return wrong
