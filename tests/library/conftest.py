from __future__ import annotations

import pytest

from hub import Client
from hub.drivers import InMemoryDriver, PostgresDriver, SQLiteDriver


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def driver(request, quick_path):
    if request.param == "postgres":
        return PostgresDriver(request.getfixturevalue("postgres_url"))
    return InMemoryDriver() if request.param == "memory" else SQLiteDriver(quick_path / "library.db")


@pytest.fixture
def client(driver):
    return Client(driver=driver)
