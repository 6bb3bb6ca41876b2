"""The SQL that the hub puts into a watched PostgreSQL database: a schema of its own, and triggers on the watched tables.

One function serves every table, because it takes the row as a whole: columns may be added, dropped, altered and renamed without
anything being made anew. Triggers have no WHEN and no UPDATE OF, which would stand in the way of ALTER TABLE, and the function has
no EXCEPTION block, which would open a subtransaction for every row. If an event cannot be written the change fails with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from hub.model.executor import RecordEvent

SCHEMA = "_hub"
OUTBOX, INSTALLED, FINDINGS = f"{SCHEMA}.outbox", f"{SCHEMA}.installed", f"{SCHEMA}.findings"
PULSE = f"{SCHEMA}.pulse"

#: The channel on which a watching hub is woken.
CHANNEL = SCHEMA

#: NOTIFY makes a commit take a lock that all of them share: sent by every commit it halved the rate of eight writers where that
#: was measured. So one is sent in so many milliseconds at most; a hub that was woken looks often for longer than that.
PULSE_MS = 200

#: In the comment of the schema, so that somebody else's of the same name is told apart.
MARK = "hub record events"

#: Any process that installs or uninstalls here takes this lock: it was drawn at random.
LOCK = 7_313_952_046_117_529_001

TABLES: dict[str, str] = {
    # Emptied all the time: vacuumed by what was deleted, not by its size.
    "outbox": f"""CREATE TABLE {OUTBOX} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key uuid NOT NULL DEFAULT gen_random_uuid(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state smallint NOT NULL DEFAULT 0,
  schema_name text NOT NULL,
  table_name text NOT NULL,
  operation text NOT NULL,
  new_row json,
  old_row json,
  actor text NOT NULL DEFAULT session_user
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)""",
    # When somebody last sent a wake-up. A sequence: read and written without a lock that is held until a commit.
    "pulse": f"CREATE SEQUENCE {PULSE}",
    "installed": f"""CREATE TABLE {INSTALLED} (
  model text NOT NULL,
  trigger_name text NOT NULL,
  relation oid NOT NULL,
  trigger oid NOT NULL,
  version text NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (model, trigger_name)
)""",
    "findings": f"""CREATE TABLE {FINDINGS} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at bigint NOT NULL,
  kind text NOT NULL,
  model text NOT NULL,
  sentence text NOT NULL
)""",
}

#: The path is pinned against objects that somebody puts in front; the rest, so that no session's settings change how values look.
SETTINGS: dict[str, str] = {
    "search_path": "pg_catalog, pg_temp",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "IntervalStyle": "iso_8601",
}

#: A partition's trigger names the partition; people name the table that it is a part of.
CAPTURE = f"""
DECLARE
  in_schema text := TG_TABLE_SCHEMA;
  in_table text := TG_TABLE_NAME;
  now_ms bigint := extract(epoch FROM clock_timestamp()) * 1000;
BEGIN
  IF now_ms - (SELECT last_value FROM {PULSE}) NOT BETWEEN 0 AND {PULSE_MS} THEN
    PERFORM setval('{PULSE}', now_ms);
    PERFORM pg_notify('{CHANNEL}', '');
  END IF;
  IF TG_NARGS > 0 THEN
    SELECT n.nspname, c.relname INTO in_schema, in_table
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_partition_root(TG_RELID);
  END IF;
  INSERT INTO {OUTBOX} (schema_name, table_name, operation, new_row, old_row) VALUES (in_schema, in_table, TG_OP,
    CASE WHEN TG_OP <> 'DELETE' THEN to_json(NEW) END, CASE WHEN TG_OP <> 'INSERT' THEN to_json(OLD) END);
  RETURN NULL;
END
"""

TRUNCATED = f"""
BEGIN
  INSERT INTO {FINDINGS} (at, kind, model, sentence) VALUES (
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 'capture_gap',
    CASE WHEN TG_TABLE_SCHEMA = 'public' THEN TG_TABLE_NAME ELSE TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME END,
    'the table was emptied with TRUNCATE, which tells no trigger of its rows: those that went have no record.deleted event.');
  RETURN NULL;
END
"""

FUNCTIONS: dict[str, str] = {"capture": CAPTURE, "truncated": TRUNCATED}

# Bits of pg_trigger.tgtype (src/include/catalog/pg_trigger.h).
_ROW, _INSERT, _DELETE, _UPDATE, _TRUNCATE = 1, 4, 8, 16, 32


@dataclass(frozen=True, slots=True)
class Wish:
    """A trigger that should stand on a table."""

    name: str
    kind: RecordEvent
    statement: str
    function: str
    #: `pg_trigger.tgtype`.
    bits: int


WISHES: tuple[Wish, ...] = (
    Wish("_hub_created", "record.created", "AFTER INSERT", "capture", _ROW | _INSERT),
    Wish("_hub_updated", "record.updated", "AFTER UPDATE", "capture", _ROW | _UPDATE),
    Wish("_hub_deleted", "record.deleted", "AFTER DELETE", "capture", _ROW | _DELETE),
    Wish("_hub_truncated", "record.deleted", "AFTER TRUNCATE", "truncated", _TRUNCATE),
)
BY_NAME = {wish.name: wish for wish in WISHES}


def create_function(name: str) -> sql.Composed:
    """It runs with its owner's rights, so that whoever changes a row needs none on the outbox."""
    settings = sql.SQL(" ").join(
        sql.SQL("SET {} TO {}").format(
            sql.Identifier(setting),
            sql.SQL("pg_catalog, pg_temp") if setting == "search_path" else sql.Literal(value),
        )
        for setting, value in SETTINGS.items()
    )
    return sql.SQL(
        "CREATE OR REPLACE FUNCTION {} () RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {} AS {}"
    ).format(sql.Identifier(SCHEMA, name), settings, sql.Literal(FUNCTIONS[name]))


def create_trigger(wish: Wish, table: sql.Identifier, *, partitioned: bool) -> sql.Composed:
    """Names come from the catalogue, and are quoted here."""
    of_row = bool(wish.bits & _ROW)
    return sql.SQL("CREATE OR REPLACE TRIGGER {} {} ON {} FOR EACH {} EXECUTE FUNCTION {} ({})").format(
        sql.Identifier(wish.name),
        sql.SQL(wish.statement),
        table,
        sql.SQL("ROW" if of_row else "STATEMENT"),
        sql.Identifier(SCHEMA, wish.function),
        sql.SQL("'partitioned'" if partitioned and of_row else ""),
    )


def model_of(schema: str, table: str) -> str:
    """How executors call a table: by its name, with its schema before it unless that is `public`."""
    return table if schema == "public" else f"{schema}.{table}"


def meant_by(model: str) -> list[tuple[str, str]]:
    """The tables that an executor may mean, the likelier first."""
    schema, dot, table = model.partition(".")
    return [("public", model), *([(schema, table)] if dot else [])]
