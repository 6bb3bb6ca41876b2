"""Who is suspected of a worker's death: what kills is found in few deaths, and what merely runs beside it goes on."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.store import suspects
from hub.store.suspects import Aboard, part

BLAMED = 3


@dataclass
class Installation:
    """Nodes that run everything that is due. What is deadly kills its node, as soon as it is claimed."""

    deadly: set[str]
    nodes: int = 1
    #: The counts of those that have not ended, as their next claim finds them.
    crashes: dict[str, int] = field(default_factory=dict)
    blamed: list[str] = field(default_factory=list)
    deaths: int = 0
    #: Claims that began with the suspects of a turn.
    turns: int = 0

    def run(self, names: list[str], chance: random.Random) -> None:
        """Until whatever kills is blamed, or nothing is left."""
        self.crashes = dict.fromkeys(names, -1)  # the first claim makes it 0
        turns = [list(names)]
        while turns:
            due = turns.pop(0)
            self.turns += 1
            for name in due:
                self.crashes[name] += 1
            self.blamed += [name for name in due if self.crashes[name] >= BLAMED]
            due = [name for name in due if self.crashes[name] < BLAMED]
            aboard: dict[str, list[str]] = {}
            for name in due:
                aboard.setdefault(f"node-{chance.randrange(self.nodes)}", []).append(name)
            dead = {node: those for node, those in aboard.items() if self.deadly & set(those)}
            if not dead:
                continue  # each has stored something: the next turn begins
            self.deaths += len(dead)
            turns = [*self._parted(dead), *turns]

    def _parted(self, dead: dict[str, list[str]]) -> list[list[str]]:
        held = [Aboard(name, node, self.crashes[name]) for node, those in dead.items() for name in those]
        parting = part([one for one in held if one.crashes], len(dead), storm=False)
        self.crashes.update(parting.crashes)
        turns = parting.turns or [[]]
        waiting = {name for turn in turns for name in turn}
        turns[0] += [one.execution_id for one in held if one.execution_id not in waiting]
        return turns


@given(count=st.integers(1, 300), where=st.integers(0, 299), nodes=st.integers(1, 3), seed=st.integers(0, 9))
def test_what_kills_is_found_in_a_handful_of_deaths(count, where, nodes, seed):
    names = [f"run-{number:03}" for number in range(count)]
    deadly = names[where % count]
    site = Installation({deadly}, nodes)
    site.run(names, random.Random(seed))
    assert site.blamed == [deadly]
    # Two until it is suspected, one for each parting, and one by itself.
    assert site.deaths <= 3 + math.ceil(math.log(count, 4))
    assert site.turns <= 8 * site.deaths


def test_one_that_is_alone_is_found_in_three_deaths():
    site = Installation({"only"})
    site.run(["only"], random.Random(0))
    assert (site.blamed, site.deaths) == (["only"], 3)


@given(count=st.integers(2, 100), deadly=st.sets(st.integers(0, 99), min_size=2, max_size=5), nodes=st.integers(1, 3))
def test_several_that_kill_are_all_found_and_nobody_else(count, deadly, nodes):
    names = [f"run-{number:03}" for number in range(count)]
    killers = {names[number % count] for number in deadly}
    site = Installation(killers, nodes)
    site.run(names, random.Random(count))
    assert set(site.blamed) == killers


@given(crashes=st.lists(st.integers(1, 2), min_size=1, max_size=20), nodes=st.integers(1, 3))
def test_in_a_storm_nobody_is_blamed(crashes, nodes):
    aboard = [Aboard(f"run-{number}", f"node-{number % nodes}", count) for number, count in enumerate(crashes)]
    parting = part(aboard, nodes, storm=True)
    assert all(parting.crashes.get(one.execution_id, one.crashes) <= 1 for one in aboard)


@given(crashes=st.lists(st.integers(1, 2), min_size=1, max_size=20), nodes=st.integers(1, 3), dead=st.integers(3, 5))
def test_only_one_that_was_by_itself_is_blamed_and_nobody_is_left_out(crashes, nodes, dead):
    aboard = [Aboard(f"run-{number}", f"node-{number % nodes}", count) for number, count in enumerate(crashes)]
    parting = part(aboard, dead, storm=False)
    parted = [name for turn in parting.turns for name in turn]
    assert len(parted) == len(set(parted))
    for node in {one.node for one in aboard}:
        tried = [one.execution_id for one in aboard if one.node == node and one.crashes == 2]
        blamed = [name for name in tried if parting.crashes.get(name, 2) == 2]
        assert blamed == (tried if len(tried) == 1 else [])
        here = {one.execution_id for one in aboard if one.node == node}
        assert here & set(parted) == (set(tried) or here)


def test_without_parting_again_the_innocent_would_be_blamed(monkeypatch):
    monkeypatch.setattr(suspects, "_split_evenly", lambda names: [names])
    site = Installation({"run-7"})
    with pytest.raises(AssertionError):
        _in_few_deaths(site)


def _in_few_deaths(site: Installation) -> None:
    names = [f"run-{number}" for number in range(20)]
    original = site._parted

    def counted(dead):
        assert site.deaths < 10, "it is never found"
        return original(dead)

    site._parted = counted
    site.run(names, random.Random(0))


def test_with_parting_it_is_found():
    site = Installation({"run-7"})
    _in_few_deaths(site)
    assert site.blamed == ["run-7"]
