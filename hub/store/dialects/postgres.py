"""PostgreSQL: one writer connection over libpq, reads from a small pool, other nodes heard by LISTEN."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Engine, MetaData, String, Text, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlmodel import AutoString

from hub.model.clock import new_id
from hub.model.errors import BadInput
from hub.store.dialects.base import OpenTransaction, StoreBusy
from hub.store.dialects.foretelling import Foretold
from hub.store.dialects.postgres_ground import dangers
from hub.store.dialects.postgres_lingering import Lingering
from hub.store.dialects.postgres_link import CONNECT_SECONDS, SERVERS_SOCKET, SOCKET, Link
from hub.store.dialects.postgres_waking import Notices
from hub.store.dialects.postgres_writing import SETTINGS, PostgresConnection

_READERS = 4
_SESSION = "-c jit=off -c TimeZone=UTC " + " ".join(f"-c {name}={value}" for name, value in SERVERS_SOCKET.items())
_READS = f"{_SESSION} -c statement_timeout=10s -c lock_timeout=2s"
#: Whoever changes the schema waits for another one who does, and is thrown out when he stands still in the middle of it.
_CHANGES = f"{_SESSION} -c lock_timeout=60s -c idle_in_transaction_session_timeout=30s"
#: Held by whoever changes the schema.
_SCHEMA_LOCK = 0x6875625F736368


class PostgresDialect:
    """A database behind `postgresql://user@host/db`. The password may be in PGPASSWORD or ~/.pgpass as well."""

    single_connection = False
    shared = True

    def __init__(self, url: str) -> None:
        parts = read_address(url)
        self._url = url
        self.shown = shown(parts)
        self.foretold = Foretold().count
        self._engine: Engine | None = None
        self._lingering = Lingering()

    def connect(self) -> PostgresConnection:
        # A name of its own a connection, under which its commits leave their slips.
        return PostgresConnection(self._link, new_id(0)[-16:])

    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = create_engine(
                "postgresql+psycopg://",
                creator=lambda: self._session(_READS),
                isolation_level="AUTOCOMMIT",
                pool_size=_READERS,
                pool_timeout=5,
            )
        return self._engine

    def schema(self, declared: MetaData) -> MetaData:
        return in_byte_order(declared)

    @contextmanager
    def changing_schema(self) -> Iterator[SqlConnection]:
        engine = create_engine("postgresql+psycopg://", creator=lambda: self._session(_CHANGES))
        try:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
                yield connection
        except OperationalError as error:
            raise StoreBusy(str(error.orig)) from error
        finally:
            engine.dispose()

    def damage(self) -> list[str]:
        return []  # the server checks its pages by their checksums whenever it reads them

    def dangers(self) -> list[str]:
        link = self._link(lambda: None)
        try:
            return dangers(link)
        finally:
            link.close()

    def oldest_transaction(self) -> OpenTransaction | None:
        try:
            return self._lingering.oldest(self.engine())
        except OperationalError as error:
            raise StoreBusy(str(error.orig)) from error

    def watch(self, ring: Callable[[str], None]) -> Notices:
        return Notices(self._link, ring)

    def take_seat(self) -> bool:
        return True

    def seat_is_free(self) -> bool:
        return True

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _link(self, waiting: Callable[[], None]) -> Link:
        link = Link(self._url, waiting=waiting)
        link.simple(SETTINGS)
        return link

    def _session(self, settings: str) -> psycopg.Connection:
        return psycopg.connect(
            make_conninfo(self._url, **SOCKET, connect_timeout=int(CONNECT_SECONDS), options=settings)
        )


@functools.cache
def in_byte_order(declared: MetaData) -> MetaData:
    """Texts compare byte by byte, as ids and paths of calls rely on, whatever the database's language is."""
    made = MetaData()
    for table in declared.tables.values():
        for column in table.to_metadata(made).columns:
            if isinstance(column.type, Text):
                column.type = Text(collation="C")
            elif isinstance(column.type, String | AutoString):
                column.type = String(collation="C")
    return made


def read_address(url: str) -> Mapping[str, object]:
    """The parts of an address. Raises BadInput, which tells nothing of it: what stands in the wrong place may be a password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        parts = {"port": "unreadable"}
    if "@" in str(parts.get("dbname", "")) or not set(str(parts.get("port", ""))) <= set("0123456789,"):
        raise BadInput(
            "the address of the store cannot be read: write postgresql://user@host/db, and %XX for each special character of a "
            "password, such as %2F for / and %25 for %"
        )
    return parts


def shown(parts: Mapping[str, object]) -> str:
    """The address as messages may show it."""
    user = f"{parts['user']}@" if "user" in parts else ""
    port = f":{parts['port']}" if "port" in parts else ""
    return f"postgresql://{user}{parts.get('host', '')}{port}/{parts.get('dbname', '')}"
