from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from simulated_store import Database
from simulation_play import QUIET, database


@pytest.fixture(scope="module")
def store() -> Iterator[Database]:
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield database()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
