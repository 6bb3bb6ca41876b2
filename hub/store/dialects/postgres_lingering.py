"""Whose transaction keeps what was deleted from being cleared away.

VACUUM leaves every row that some transaction of the database may still see. One that is left open for hours makes tables grow by all
that is changed meanwhile, and every look at what is due walks past it. A role without `pg_read_all_stats` is not told since
when other roles' transactions are open: those are counted from the moment in which they were first seen.
"""

from __future__ import annotations

import time

from sqlalchemy import Engine, text

from hub.store.dialects.base import OpenTransaction

#: See https://www.postgresql.org/docs/current/monitoring-stats.html and …/view-pg-prepared-xacts.html. Autovacuum has no role.
_OPEN = text(
    "SELECT 'process ' || pid || ', role ' || coalesce(usename, '?') || "
    "CASE WHEN coalesce(application_name, '') = '' THEN '' ELSE ', application ' || application_name END, "
    "'SELECT pg_terminate_backend(' || pid || ')', extract(epoch FROM clock_timestamp() - xact_start)::float8, "
    "coalesce(backend_xmin, backend_xid)::text FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL "
    "AND coalesce(backend_xmin, backend_xid) IS NOT NULL "
    "UNION ALL SELECT 'prepared as ' || quote_literal(gid) || ', role ' || owner, 'ROLLBACK PREPARED ' || quote_literal(gid), "
    "extract(epoch FROM clock_timestamp() - prepared)::float8, transaction::text FROM pg_prepared_xacts "
    "WHERE database = current_database()"
)


class Lingering:
    """Remembers which transactions it has seen."""

    def __init__(self) -> None:
        #: Who, and how far back he sees -> when that was first seen, in monotonic seconds.
        self._seen: dict[tuple[str, str], float] = {}

    def oldest(self, engine: Engine) -> OpenTransaction | None:
        """The one that has been open for longest. Raises SQLAlchemy's errors."""
        with engine.connect() as connection:
            rows = connection.execute(_OPEN).all()
        now = time.monotonic()
        self._seen = {(who, back): self._seen.get((who, back), now) for who, _, _, back in rows}
        found = [
            OpenTransaction(now - self._seen[who, back] if seconds is None else max(seconds, 0.0), who, ending)
            for who, ending, seconds, back in rows
        ]
        return max(found, key=lambda one: one.seconds, default=None)
