"""What the simulation is worth: faults planted in engine and store, each found."""

from __future__ import annotations

import pytest
from simulated_store import Database
from simulation_mutants import MUTANTS, Mutant
from simulation_play import named, with_seed

_SOON = 150


@pytest.mark.parametrize(("mutant", "stories", "faults"), MUTANTS, ids=[mutant.__name__ for mutant, *_ in MUTANTS])
def test_a_planted_fault_is_found(
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Mutant,
    stories: tuple[str, ...],
    faults: tuple[str, ...],
) -> None:
    sound = [seed for seed in range(6) if with_seed(store, seed, named(*stories), faults).faults]
    assert sound == [], "without the fault all is well"
    mutant(monkeypatch)
    assert any(with_seed(store, seed, named(*stories), faults).faults for seed in range(_SOON))
