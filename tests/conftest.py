from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from kit import Bench, play
from postgres_cluster import Cluster, Emptied, running

# What somebody has set for their own commands is not meant for those of the tests.
for name in ("HUB_PROJECT", "HUB_SERVER", "HUB_TOKEN"):
    os.environ.pop(name, None)

# How long an example takes says something about the machine, and nothing about the hub.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _UNHURRIED, derandomize=True, database=None)
settings.register_profile("others", _UNHURRIED)


def pytest_configure(config: pytest.Config) -> None:
    """The suite tries the same examples every time, so that it fails or passes for all; the long batteries look for others."""
    settings.load_profile("others" if config.option.markexpr == "long" else "same")


MEMORY_DISK = Path("/dev/shm")


@contextmanager
def _quick_folder() -> Iterator[Path]:
    where = MEMORY_DISK if MEMORY_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hub-test-", dir=where) as folder:
        yield Path(folder)


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder on a disk of memory where there is one: for tests in which processes end, not power."""
    with _quick_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared_quick_path() -> Iterator[Path]:
    """The same for all tests of a file."""
    with _quick_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a database of a PostgreSQL server for this session; other databases may be made beside it."""
    with running() as server:
        yield server.url() if isinstance(server, Cluster) else server


@pytest.fixture(scope="session")
def _postgres_database(postgres_server: str) -> Iterator[Emptied]:
    name = f"hub_test_{os.environ.get('PYTEST_XDIST_WORKER', 'all')}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]
        connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")  # type: ignore[arg-type]
        url = _named(postgres_server, name)
    emptied = Emptied(url)
    yield emptied
    emptied.close()


@pytest.fixture
def postgres_url(_postgres_database: Emptied) -> str:
    """The address of an empty PostgreSQL database."""
    _postgres_database.empty()
    return _postgres_database.url


@pytest.fixture
def new_postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of a database in which nothing was ever made."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        name = f"hub_new_{os.environ.get('PYTEST_XDIST_WORKER', 'all')}"
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]
        connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")  # type: ignore[arg-type]
        yield _named(postgres_server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def store_url(request: pytest.FixtureRequest, quick_path: Path) -> str:
    """The URL of an empty store, of every kind that there is."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return {"sqlite": f"sqlite:///{quick_path}/hub.db", "memory": "sqlite://"}[request.param]


@pytest.fixture
def tell(store_url: str) -> Callable[..., Any]:
    """`tell(story, *workflows, **bench_settings)`: play an async story on a bench with these workflows."""

    def telling(story: Callable[[Bench], Any], *workflows: Any, **settings: Any) -> Any:
        return play(story, lambda: Bench(store_url, workflows, **settings))

    return telling


def _named(url: str, database: str) -> str:
    """The address of another database of the same server."""
    made = psycopg.conninfo.conninfo_to_dict(url)
    host = made.get("host", "")
    where = f"/{database}?host={host}" if str(host).startswith("/") else f"{host}:{made.get('port', 5432)}/{database}"
    password = f":{made['password']}" if "password" in made else ""
    return f"postgresql://{made.get('user', '')}{password}@{where}"
