from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from dispatch_desk import Tell, teller

from hub.expressions import Evaluator


@pytest.fixture(scope="session")
def evaluator() -> Iterator[Evaluator]:
    made = Evaluator()
    yield made
    asyncio.run(made.close())


@pytest.fixture
def at_desk(store_url: str, evaluator: Evaluator) -> Tell:
    return teller(store_url, evaluator)
