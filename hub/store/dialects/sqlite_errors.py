"""What SQLite's errors mean to the writer."""

from __future__ import annotations

import sqlite3

from hub.store.dialects.base import StoreBroken, StoreBusy


def classified(error: sqlite3.Error) -> Exception:
    """What a driver's error means to the writer: try again, stop, or a fault of ours."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    primary = code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL):
        return StoreBusy(str(error))
    if code == sqlite3.SQLITE_IOERR_FSYNC or primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreBroken(str(error))
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return StoreBusy(str(error))
    return error
