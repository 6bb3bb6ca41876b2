"""Opening a store: its tables, its schema's version, and whether what is acknowledged there is kept."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, inspect, select
from sqlalchemy.exc import DatabaseError
from sqlmodel import SQLModel, col

from hub.model.errors import StoreUnavailable
from hub.store.dialects.base import Dialect, StoreBusy
from hub.store.tables import SCHEMA_VERSION, MetaRow

log = logging.getLogger(__name__)

_VERSION = "schema"


def prepare(dialect: Dialect) -> None:
    """Create what is missing: all tables, or what a newer version of them has. Several processes may do so at once.

    Raises StoreUnavailable for a schema that a newer hub made, and when that cannot be seen.
    """
    try:
        with dialect.engine().connect() as connection:
            if _is_present(_version(connection), dialect.shown):
                return
        with dialect.changing_schema() as connection:
            # Another process may have been here meanwhile.
            version = _version(connection)
            if version is None:
                _make(connection, dialect)
            elif not _is_present(version, dialect.shown):
                from hub.store.migrations import (
                    climb,
                )  # Alembic takes a while to import, and there is rarely a step to take

                climb(connection, version, SCHEMA_VERSION)
            _note(connection)
    except (DatabaseError, StoreBusy) as error:
        said = error.orig if isinstance(error, DatabaseError) else error
        raise StoreUnavailable(f"{dialect.shown} cannot be opened: {said}") from error


def check_ground(dialect: Dialect, *, allow_unsafe: bool) -> None:
    """Refuse a database that can lose what it has acknowledged, unless somebody has decided to live with that.

    Raises StoreUnavailable.
    """
    try:
        dangers = dialect.dangers()
    except StoreBusy as error:
        raise StoreUnavailable(f"{dialect.shown} cannot be opened: {error}") from error
    if not dangers:
        return
    said = " ".join(dangers)
    if allow_unsafe:
        log.warning("%s is not safe, as config/hub.yaml allows: %s", dialect.shown, said)
        return
    raise StoreUnavailable(
        f"{dialect.shown} is no safe place for the store: {said} "
        "To use it all the same, write store_options: {allow_unsafe: true} in config/hub.yaml."
    )


def _version(connection: Connection) -> int | None:
    """None: nothing was made here yet."""
    if not inspect(connection).has_table(MetaRow.__tablename__):
        return None
    found = connection.scalar(select(col(MetaRow.value)).where(col(MetaRow.key) == _VERSION))
    return None if found is None else int(found)


def _is_present(version: int | None, shown: str) -> bool:
    if version is not None and version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{shown} has schema {version} and this hub knows {SCHEMA_VERSION}: a newer hub has used it. Upgrade this one."
        )
    return version == SCHEMA_VERSION


def _make(connection: Connection, dialect: Dialect) -> None:
    dialect.schema(SQLModel.metadata).create_all(connection)


def _note(connection: Connection) -> None:
    table = SQLModel.metadata.tables[str(MetaRow.__tablename__)]
    connection.execute(table.delete().where(table.c.key == _VERSION))
    connection.execute(table.insert().values(key=_VERSION, value=str(SCHEMA_VERSION)))
