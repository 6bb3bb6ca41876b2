"""Values on the way to PostgreSQL and back, in its binary form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.store.dialects.base import Bulk
from hub.store.dialects.postgres import PostgresDialect
from hub.store.dialects.postgres_sql import numbered
from hub.store.dialects.postgres_writing import PostgresConnection

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
INT = st.integers(-(2**63), 2**63 - 1)
ROW = st.tuples(TEXT | st.none(), INT | st.none(), st.binary() | st.none())
ECHO = Bulk("a:text b:int c:bytes", "SELECT a, b, c FROM v")


@pytest.fixture
def echo(postgres_url: str) -> Iterator[PostgresConnection]:
    """One connection for all examples."""
    made = PostgresDialect(postgres_url).connect()
    yield made
    assert made._link is not None
    made._link.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=20))
def test_many_rows_come_back_as_they_were(echo: PostgresConnection, rows: list[tuple[Any, ...]]) -> None:
    assert echo.raw.bulk(ECHO, rows) == rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=ROW)
def test_single_parameters_come_back_as_they_were(echo: PostgresConnection, row: tuple[Any, ...]) -> None:
    assert echo.raw.rows("SELECT CAST(? AS text), CAST(? AS bigint), CAST(? AS bytea)", row) == [row]


def test_what_is_no_value_is_refused(echo: PostgresConnection) -> None:
    with pytest.raises(TypeError, match="float is nothing that a statement can be given"):
        echo.raw.rows("SELECT ?", (1.5,))


def test_question_marks_become_numbers() -> None:
    assert numbered("a = ? AND b IN (?, ?)") == "a = $1 AND b IN ($2, $3)"
    assert numbered("SELECT 1") == "SELECT 1"
