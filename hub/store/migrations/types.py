"""Column types and indexes of steps, as `hub.store.dialects` makes them in a new database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alembic.operations import Operations
from sqlalchemy import String, Text, text

#: Texts compare byte by byte everywhere.
WORD = String().with_variant(String(collation="C"), "postgresql")
TEXT = Text().with_variant(Text(collation="C"), "postgresql")


@dataclass(frozen=True, slots=True)
class Added:
    """An index; with `where`, of those rows only for which that holds."""

    name: str
    table: str
    columns: Sequence[str]
    where: str | None = None

    def create(self, op: Operations) -> None:
        condition = None if self.where is None else text(self.where)
        columns = [text(column) if " " in column else column for column in self.columns]
        op.create_index(self.name, self.table, columns, sqlite_where=condition, postgresql_where=condition)
