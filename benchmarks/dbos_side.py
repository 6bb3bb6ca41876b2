"""DBOS's side of engine_vs_dbos.py, run by the interpreter of its own environment: prints one line of JSON.

    python dbos_side.py FOLDER EXECUTIONS CHAIN --journal delete|wal | --store URL

As its documents say for asyncio: async workflows and steps, `start_workflow_async`, handles awaited. Started directly they were
faster than by a queue, and the default connection pool was faster than a smaller one. DBOS 3.4 sets neither the journal
nor the synchronous level of SQLite, so they are the library's: a rollback journal and FULL. `--journal wal` puts the file
into WAL mode before DBOS opens it, which it keeps; the level stays FULL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from dbos import DBOS

JOBS_EACH = 5


@DBOS.step()
async def add_one(n: int) -> int:
    return n + 1


@DBOS.workflow()
async def count_up(length: int) -> int:
    n = 0
    for _ in range(length):
        n = await add_one(n)
    return n


async def run(executions: int, length: int) -> float:
    """Start them all at once; seconds until the last one's end is durable."""
    begin = time.perf_counter()
    handles = await asyncio.gather(*[DBOS.start_workflow_async(count_up, length) for _ in range(executions)])
    results = await asyncio.gather(*[handle.get_result() for handle in handles])
    assert results == [length] * executions
    return time.perf_counter() - begin


async def measure(executions: int, chain: int) -> dict[str, float]:
    DBOS.launch()
    await run(1, 1)
    return {"wide": await run(executions, JOBS_EACH), "deep": await run(1, chain)}


def _sqlite(path: Path, journal: str) -> str:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode={journal}")
        (level,) = database.execute("PRAGMA synchronous").fetchone()
        assert level == 2, "this SQLite is not built with FULL as its default"
    return f"sqlite:///{path}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("executions", type=int)
    parser.add_argument("chain", type=int)
    parser.add_argument("--journal", choices=["delete", "wal"], default="delete")
    parser.add_argument("--store", help="postgresql://… of an empty database, in place of a SQLite file")
    given = parser.parse_args()
    url = given.store or _sqlite(given.folder / "dbos.db", given.journal)
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
    found = asyncio.run(measure(given.executions, given.chain))
    DBOS.destroy()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
