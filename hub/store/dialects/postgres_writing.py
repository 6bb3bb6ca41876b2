"""The writer's connection to PostgreSQL.

A lost connection leaves open whether the last commit happened. So every commit that changes something leaves a slip: a row in `commits`
with this writer's name and a number. Whoever lost the answer puts the same slip there himself. If it is there already, the commit
happened; if not, it did not, and cannot any more, because its own slip would be the second of its kind.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from hub.store.dialects.base import BodyClaim, Bulk, Many, NotNew, Row, StoreBusy, StoreInDoubt
from hub.store.dialects.postgres_errors import Fault
from hub.store.dialects.postgres_hoping import TAKEN, Hope
from hub.store.dialects.postgres_link import SERVERS_SOCKET, Link, Statement, rows_of
from hub.store.dialects.postgres_sql import arrays, bound, bulk_text, numbered

log = logging.getLogger(__name__)

#: A statement reads by an index whatever the statistics of a young table say. A transaction that stands still lets go of what it
#: holds: another node waits for it. In the middle of a request it does not count as idle, and servers before 17 have no limit for that.
SETTINGS = (
    "SELECT set_config(name, '15s', false) FROM pg_settings WHERE name = 'transaction_timeout'; "
    "SET jit = off; SET enable_seqscan = off; SET client_min_messages = warning; SET TimeZone = 'UTC'; "
    "SET lock_timeout = '2s'; SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '4s'; "
    "SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; "
    + "; ".join(f"SET {name} = {value}" for name, value in SERVERS_SOCKET.items())
)
#: After so many slips the older ones of this writer go, and those that killed ones have left.
_KEPT = 500
_DAY_MS = 86_400_000
#: Milliseconds since 1970 UTC.
_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


_BEGIN, _COMMIT = Statement("BEGIN"), Statement("COMMIT")
_SLIP = f"INSERT INTO commits (writer, number, at) VALUES ($1, $2, {_CLOCK})"

#: In order of the ids, so that two nodes do not wait for each other.
_HOLD = Bulk("id:text", "SELECT e.id FROM executions e JOIN v ON e.id = v.id ORDER BY e.id FOR NO KEY UPDATE OF e")


class _IndexedBodies:
    """By the unique index of `events`, which refuses whoever is late."""

    def __init__(self, tx: PostgresTx) -> None:
        self._tx = tx

    def claim(self, claims: Sequence[BodyClaim]) -> set[str]:  # noqa: ARG002 - the insert tells
        return set()

    def refused(self, claim: BodyClaim) -> None:
        """Nothing was claimed."""

    def holders(self, claim: BodyClaim) -> list[str]:
        found = self._tx.rows("SELECT id FROM events WHERE source = ? AND body_key = ?", claim[1:])
        return [str(name) for (name,) in found]

    def take(self, claim: BodyClaim) -> None:
        """It is whose event has the key."""


class PostgresTx:
    """A write transaction of the one connection."""

    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, link: Link, hope: Hope, *first: Statement) -> None:
        self._link = link
        #: None: what fails is undone alone, so nothing is hoped.
        self._hope: Hope | None = hope
        self._hoped = False
        self._unsent: list[Statement] = [*first]
        #: Whether its BEGIN has been sent.
        self.begun = False
        #: Whether this transaction has changed anything.
        self.changed = False

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return rows_of(self._exchange(Statement(numbered(sql), *bound(params))))

    def many(self, question: Many, params: Sequence[Any] = ()) -> list[Row]:
        return self.rows(f"SELECT {', '.join(question.names)} {question.body}", params)

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        return int(self._exchange(Statement(numbered(sql), *bound(params))).command_tuples or 0)

    def bulk(self, statement: Bulk, rows: Sequence[Row]) -> list[Row]:
        return rows_of(self._exchange(self._bulk(statement, rows))) if rows else []

    def bulk_count(self, statement: Bulk, rows: Sequence[Row]) -> int:
        return int(self._exchange(self._bulk(statement, rows)).command_tuples or 0) if rows else 0

    def hold(self, executions: Sequence[str]) -> None:
        if executions:
            self._unsent.append(self._bulk(_HOLD, [(execution,) for execution in executions]))

    @property
    def bodies(self) -> _IndexedBodies:
        return _IndexedBodies(self)

    def lock(self, name: str) -> None:
        self._unsent.append(Statement("SELECT pg_advisory_xact_lock($1)", *bound((_key(name),))))

    def try_lock(self, name: str) -> bool:
        return bool(self.rows("SELECT pg_try_advisory_xact_lock(?)", (_key(name),))[0][0])

    def foretell_cancel(self) -> None:
        """Other machines hear of it when it has happened."""

    def clock(self, now: int) -> int:  # noqa: ARG002 - where there are several nodes, the database's clock is everybody's
        return int(self.rows(f"SELECT {_CLOCK}")[0][0])

    def put(self, statement: Bulk, rows: Sequence[Row]) -> None:
        """Kept back until the next statement whose answer somebody wants, and sent in the same round trip."""
        if rows:
            self._unsent.append(self._bulk(statement, rows))
            self.changed = True

    def put_new(self, statement: Bulk, rows: Sequence[Row]) -> bool:
        if self._hope is None or not self._hope.holds(len(rows)):
            return False
        self._hoped = True
        self.put(statement, rows)
        return True

    def look_first(self) -> None:
        """From here on nothing is `put_new`."""
        self._hope = None

    def unsent(self) -> list[Statement]:
        """What has not been sent yet, for whoever sends it now."""
        unsent, self._unsent = self._unsent, []
        return unsent

    @staticmethod
    def _bulk(statement: Bulk, rows: Sequence[Row]) -> Statement:
        text, oids = bulk_text(statement.columns, statement.body)
        return Statement(text, oids, arrays(statement.columns, rows))

    def _exchange(self, statement: Statement) -> Any:
        """The result of a statement, sent in one round trip with all that was kept back."""
        result = self.send([*self.unsent(), statement])[-1]
        if not self.changed and not (result.command_status or b"").startswith(b"SELECT"):
            self.changed = result.command_tuples != 0
        return result

    def send(self, statements: Sequence[Statement]) -> list[Any]:
        """Their results. Raises NotNew when it is up to what was `put_new`."""
        self.begun = self.begun or _BEGIN in statements[:1]
        try:
            return self._link.exchange(statements)
        except Fault as fault:
            if self._hope is None or not self._hoped or fault.state != TAKEN:
                raise
            self._hope.lost()
            raise NotNew from fault


class PostgresConnection:
    """The writer's connection; another one when it is lost."""

    def __init__(self, connect: Callable[[Callable[[], None]], Link], writer: str) -> None:
        self._connect = connect
        self._writer = writer
        self._number = 0
        #: The slip of a commit whose answer was lost.
        self._doubt: int | None = None
        #: Called a few times a second while the database does not answer.
        self.waiting: Callable[[], None] = lambda: None
        self._tx: PostgresTx | None = None
        self._link: Link | None = None
        self._hope = Hope()
        self._open()

    @property
    def raw(self) -> PostgresTx:
        """For those who look on: statements outside a batch."""
        return PostgresTx(self._open(), self._hope)

    def begin(self) -> PostgresTx:
        link = self._open()
        link.forget_some()
        self._tx = PostgresTx(link, self._hope, _BEGIN)
        return self._tx

    def commit(self) -> None:
        assert self._tx is not None
        assert self._link is not None
        left = self._tx.unsent()
        if not self._tx.changed:
            if left != [_BEGIN]:
                self._tx.send([*left, _COMMIT])
            return
        self._number += 1
        slips = self._slips(self._number)
        # What is sent together is one transaction, also when nobody says so: https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
        statements = [*left, *slips, _COMMIT] if self._tx.begun else [*left[1:], *slips]
        try:
            self._tx.send(statements)
        except StoreBusy as error:
            # Also when the server says that it ends the session: it may have said so behind the commit.
            self._doubt = self._number
            raise StoreInDoubt(str(error)) from error

    def _slips(self, number: int) -> list[Statement]:
        """The slip of a commit; now and then older ones go with it."""
        oids, values = bound((self._writer, number))
        slips = [Statement(_SLIP, oids, values)]
        if number % _KEPT == 1:
            slips.append(Statement("DELETE FROM commits WHERE writer = $1 AND number < $2", oids, values))
            slips.append(Statement(f"DELETE FROM commits WHERE at < {_CLOCK} - {_DAY_MS}"))
        return slips

    def verdict(self) -> bool:
        if self._doubt is None:
            return False
        link = self._open()
        oids, values = bound((self._writer, self._doubt))
        (answer,) = link.exchange([Statement(f"{_SLIP} ON CONFLICT DO NOTHING", oids, values)])
        found = int(answer.command_tuples or 0)
        self._doubt = None
        return not found

    def rollback(self) -> None:
        begun = self._tx is not None and self._tx.begun
        self._tx = None
        if begun and self._link is not None and self._link.alive:
            try:
                self._link.simple("ROLLBACK")
            except StoreBusy:
                self._link.close()

    def savepoint(self) -> None:
        assert self._tx is not None
        self._tx.look_first()
        self._run_at_once("SAVEPOINT one")

    def release(self) -> None:
        self._run_at_once("RELEASE one")

    def rollback_to(self) -> None:
        assert self._tx is not None
        self._tx.unsent()
        self._run_at_once("ROLLBACK TO one; RELEASE one")

    def close(self) -> None:
        if self._link is not None and self._link.alive:
            try:
                self._link.simple(f"DELETE FROM commits WHERE writer = '{self._writer}'")
            except StoreBusy:
                log.debug("the slips of writer %s are left behind", self._writer)
            self._link.close()

    def _open(self) -> Link:
        if self._link is None or not self._link.alive:
            self._link = self._connect(self._on_waiting)
        return self._link

    def _on_waiting(self) -> None:
        self.waiting()

    def _run_at_once(self, sql: str) -> None:
        """Send what was kept back, and this behind it; both have been done when it returns."""
        assert self._tx is not None
        assert self._link is not None
        if not self._link.alive:  # another one would know nothing of this transaction
            raise StoreBusy("the connection was lost")
        if left := self._tx.unsent():
            self._tx.send(left)
        self._link.simple(sql)


def _key(name: str) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(hashlib.blake2b(f"hub {name}".encode(), digest_size=8).digest(), "big", signed=True)
