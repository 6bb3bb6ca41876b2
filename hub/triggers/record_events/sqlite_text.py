"""The SQL that the hub puts into a watched SQLite database. Pure: names and columns in, text out.

Names come from the catalogue and are quoted here; nothing that a person typed reaches SQL in another way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from hub.model.executor import RecordEvent

OUTBOX = "_hub_outbox"
INSTALLED = "_hub_installed"
FINDINGS = "_hub_findings"

#: In the text of each of our tables, so that a user's table of the same name is told apart.
MARK = "/* hub record events */"

# The outbox has no constraint that an insert could break: under `INSERT OR IGNORE` the user's conflict policy also rules
# inside triggers, and a refused row would be ignored in silence. No AUTOINCREMENT either: it would leave `sqlite_sequence`
# behind, which cannot be dropped, and would repeat numbers after a restore. `uid` is what is unique.
_NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"

TABLES: dict[str, str] = {
    OUTBOX: f"""CREATE TABLE {OUTBOX} ({MARK}
  id INTEGER PRIMARY KEY,
  uid BLOB DEFAULT (randomblob(16)),
  at INTEGER DEFAULT ({_NOW}),
  state INTEGER DEFAULT 0,
  model TEXT,
  kind TEXT,
  new_row TEXT,
  old_row TEXT
)""",
    INSTALLED: f"""CREATE TABLE {INSTALLED} ({MARK}
  trigger_name TEXT PRIMARY KEY,
  model TEXT,
  kind TEXT,
  columns TEXT,
  digest TEXT,
  at INTEGER
)""",
    FINDINGS: f"""CREATE TABLE {FINDINGS} ({MARK}
  id INTEGER PRIMARY KEY,
  at INTEGER,
  kind TEXT,
  model TEXT,
  sentence TEXT
)""",
}

_STATEMENTS: dict[RecordEvent, tuple[str, tuple[str, ...]]] = {
    "record.created": ("INSERT", ("NEW",)),
    "record.updated": ("UPDATE", ("NEW", "OLD")),
    "record.deleted": ("DELETE", ("OLD",)),
}

_OWN_TRIGGER = re.compile(r"_hub_(created|updated|deleted)_[0-9a-f]{32}")

# json_object takes at most 127 arguments in common builds (https://www.sqlite.org/limits.html), 100 in old ones.
_COLUMNS_AT_ONCE = 50


def quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def trigger_name(table: str, kind: RecordEvent) -> str:
    """45 bytes, whatever the table is called."""
    return f"_hub_{kind.removeprefix('record.')}_{digest(table)}"


def is_own_trigger(name: str, sql: str) -> bool:
    return _OWN_TRIGGER.fullmatch(name) is not None and OUTBOX in sql


def trigger_sql(table: str, kind: RecordEvent, columns: Sequence[str]) -> str:
    """`CREATE TRIGGER`, in the very form in which SQLite keeps it in its catalogue."""
    statement, sides = _STATEMENTS[kind]
    targets = ", ".join(f"{side.lower()}_row" for side in sides)
    rows = ",\n    ".join(_row(side, columns) for side in sides)
    return (
        f"CREATE TRIGGER {quoted(trigger_name(table, kind))} AFTER {statement} ON {quoted(table)}\n"
        f"BEGIN\n  INSERT INTO {quoted(OUTBOX)} (model, kind, {targets}) VALUES ({literal(table)}, {literal(kind)},\n"
        f"    {rows});\nEND"
    )


def _row(side: str, columns: Sequence[str]) -> str:
    """A JSON object of a row; a JSON array of several, when there are more columns than a function takes arguments."""
    chunks = [columns[start : start + _COLUMNS_AT_ONCE] for start in range(0, len(columns), _COLUMNS_AT_ONCE)]
    objects = [f"json_object({', '.join(_pair(side, column) for column in chunk)})" for chunk in chunks]
    return objects[0] if len(objects) == 1 else f"json_array({', '.join(objects)})"


def _pair(side: str, column: str) -> str:
    """A value as `sqlite_wire` reads it: integers and NULL as they are, all else as text behind a letter for its type.

    Measured on 3.40: json_object alone writes reals with 15 digits, infinity as `Inf`, refuses BLOBs, and embeds a text that
    has just come out of json() as an object. quote() and 17 digits are off by a bit for some reals; 20 digits never were.
    """
    value = f"{side}.{quoted(column)}"
    return (
        f"{literal(column)}, CASE typeof({value}) WHEN 'text' THEN 't' || {value} "
        f"WHEN 'real' THEN 'r' || printf('%!.20e', {value}) WHEN 'blob' THEN 'x' || hex({value}) ELSE {value} END"
    )
