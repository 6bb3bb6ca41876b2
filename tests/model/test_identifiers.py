"""Identifiers are never made twice, whoever forks when."""

from __future__ import annotations

import multiprocessing
from collections import deque

import pytest

from hub.model import clock
from hub.model.clock import new_id

_NOW = 1_790_000_000_000
_FORKS = 8
_EACH = 3_000


def _made(_: int) -> list[str]:
    return [new_id(_NOW) for _ in range(_EACH)]


def _made_in_forks() -> list[str]:
    """Of this process, and of forks that begin behind it, all in the same millisecond."""
    own = [new_id(_NOW) for _ in range(10)]
    with multiprocessing.get_context("fork").Pool(_FORKS) as pool:
        found = pool.map(_made, range(_FORKS), chunksize=1)
    return own + [one for some in found for one in some] + [new_id(_NOW) for _ in range(_EACH)]


def test_forks_make_identifiers_of_their_own() -> None:
    found = _made_in_forks()
    assert len(set(found)) == len(found) > _FORKS * _EACH


def test_forks_that_share_what_was_drawn_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_random", deque())  # one that no fork empties
    found = _made_in_forks()
    assert len(set(found)) < len(found)
