"""Record events: row changes of watched databases become events, in the transaction that made them.

Triggers in the watched database write each change into an **outbox** table beside it, in the user's own transaction: if that
commits there is a row, if it rolls back there is none. A **drain** copies outbox rows into the hub under a unique key and
then deletes them; a crash in between copies them again, and the hub answers "duplicate".

- `wanted` says which tables and kinds the executors ask for (pure).
- `watched` is the seam: what a database must offer, whatever its make.
- `sqlite` is that for SQLite; `sqlite_text`, `sqlite_catalogue`, `sqlite_plan`, `sqlite_outbox`,
  `sqlite_wire` and `sqlite_file` are its parts.
- `drain` hands rows over, `keeper` keeps triggers as they should be, `watching` runs both when something moved.
"""
