"""Opening a store: its tables, and its schema's version."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session, SQLModel

from hub.model.errors import StoreUnavailable
from hub.store.tables import SCHEMA_VERSION, MetaRow


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
