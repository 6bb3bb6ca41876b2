"""Opening a store: the database behind a URL, its tables, its schema's version."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session, SQLModel

from hub.model.errors import BadInput, StoreUnavailable
from hub.store.dialects.base import Dialect
from hub.store.dialects.sqlite import SqliteDialect
from hub.store.tables import SCHEMA_VERSION, MetaRow

MEMORY = "sqlite://"


def dialect_for(url: str, *, checkpoints: bool) -> Dialect:
    """The database behind a store URL: `sqlite:////abs/path.db`, or `sqlite://` for one in memory."""
    if url == MEMORY:
        return SqliteDialect(None)
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SqliteDialect(path, checkpoints=checkpoints)
    scheme = url.partition(":")[0]
    raise BadInput(f'a store of the kind "{scheme}" is not supported; write sqlite:///var/hub.db')


def prepare(engine: Engine) -> None:
    """Create what is missing. Raises StoreUnavailable for a schema that a newer hub made, and when that cannot be seen."""
    try:
        _create(engine)
    except (OperationalError, IntegrityError):
        try:
            _create(engine)  # another process may just have created the same
        except (OperationalError, IntegrityError) as error:
            raise StoreUnavailable(f"the store cannot be opened: {error.orig}") from error


def _create(engine: Engine) -> None:
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        row = session.get(MetaRow, "schema")
        if row is None:
            session.add(MetaRow(key="schema", value=str(SCHEMA_VERSION)))
            session.commit()
        elif int(row.value) > SCHEMA_VERSION:
            raise StoreUnavailable(
                f"the store has schema {row.value} and this hub knows {SCHEMA_VERSION}: a newer hub has used it. Upgrade this one."
            )
