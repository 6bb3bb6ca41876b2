from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from record_postgres import PostgresShop
from record_stand_ins import Shop


@pytest.fixture(params=["wal", "delete"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A shop in each journal mode."""
    made = Shop(tmp_path, journal=request.param)
    yield made
    asyncio.run(made.watched.close())
    made.store.close()
    made.owner.close()


@pytest.fixture(scope="session")
def _shop_database(postgres_server: str) -> str:
    """A database for shops on the session's server."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS hub_shop WITH (FORCE)")
        connection.execute("CREATE DATABASE hub_shop ENCODING 'UTF8' TEMPLATE template0")
    return make_conninfo(postgres_server, dbname="hub_shop")


@pytest.fixture
def pg_shop(_shop_database: str) -> Iterator[PostgresShop]:
    """A shop in PostgreSQL, with nothing in it but its orders."""
    made = PostgresShop(_shop_database)
    yield made
    made.close()
