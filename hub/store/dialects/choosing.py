"""Which database is behind a URL: the hub's own, and those that jobs work with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from hub.model.errors import BadInput
from hub.store.dialects.base import Dialect
from hub.store.dialects.sqlite import SqliteDialect

#: Execution option of a connection that only reads.
READS = "hub_reads"
MEMORY = "sqlite://"
_FILE = "sqlite:///"


def dialect_for(url: str, *, checkpoints: bool) -> Dialect:
    """The database behind a store URL: `sqlite:////abs/path.db`, `sqlite://` for one in memory, or `postgresql://…`."""
    if url == MEMORY:
        return SqliteDialect(None)
    if url.startswith(_FILE):
        path = Path(url.removeprefix(_FILE))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SqliteDialect(path, checkpoints=checkpoints)
    scheme = url.partition(":")[0]
    if scheme in ("postgresql", "postgres"):
        from hub.store.dialects.postgres import PostgresDialect

        return PostgresDialect(url)
    raise BadInput(
        f'a store of the kind "{scheme}" is not supported; write sqlite:///var/hub.db or postgresql://user@host/db'
    )


def user_engine(url: str) -> Engine:
    """An engine on a database that is not the hub's own. What its errors say is kept, so they hold no parameters of statements."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            url = f"postgresql+psycopg://{url.removeprefix(scheme)}"
    if make_url(url).get_backend_name() == "postgresql":
        return _that_notices(url)
    # What follows is a path, and a path may hold "?" and "%".
    file = URL.create("sqlite", database=url.removeprefix(_FILE)) if url.startswith(_FILE) else url
    engine = create_engine(file, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        _begin_as_meant(engine)
    return engine


def _that_notices(url: str) -> Engine:
    """When the server was started anew, or the network was gone: no job is to find that out by failing, or by waiting for ever."""
    from hub.store.dialects.postgres_link import SOCKET

    given = make_url(url).query
    settings = {name: value for name, value in SOCKET.items() if name not in given}
    return create_engine(url, connect_args=settings, pool_pre_ping=True, hide_parameters=True)


def _begin_as_meant(engine: Engine) -> None:
    """Take SQLite's write lock when a writing transaction begins: an upgrade in the middle fails at once."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
