"""The engine on a store that holds a million finished executions, against the same on an empty one: prints both and the ratio.

The finished ones are written by plain SQL, with a checkpoint of their main job and one of another each. Then both take turns:
1,000 executions of 5 jobs at once, and one of 1,000 jobs in a row, in a process of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from hub.model.clock import SystemClock
from hub.store import open_store

HERE = Path(__file__).resolve().parent
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) "
#: Of the benchmark's own workflow, so that they stand in the same parts of every index.
EXECUTIONS = """
INSERT INTO executions (id, workflow, status, args, result, attempts, retries, crashes, priority, concurrency_key, epoch,
base_epoch, requested_by, created_at, started_at, finished_at, revision)
SELECT printf('01A%023d', i), 'counting', 'SUCCESS', '5', '5', 1, 0, 0, 0, '', 1, 1, 'bench', i, i, i, 'r' FROM n
"""
CHECKPOINTS = """
INSERT INTO checkpoints (execution_id, path, name, status, args, args_hash, result, attempts, handled, epoch, started_at, finished_at)
SELECT printf('01A%023d', i), path, 'add-one', 'SUCCESS', '5', '0123456789abcdef0123456789abcdef', '5', 1, 0, 1, i, i
FROM n, (SELECT 'count-up' AS path UNION ALL SELECT 'count-up/add-one')
"""


def fill(folder: Path, count: int) -> float:
    """Seconds that it took."""
    begin = time.perf_counter()
    asyncio.run(open_store(f"sqlite:///{folder}/hub.db", SystemClock()).close())
    with closing(sqlite3.connect(folder / "hub.db")) as database:
        database.execute("PRAGMA synchronous=OFF")
        for statement in (EXECUTIONS, CHECKPOINTS):
            table, rest = statement.split("\nSELECT", 1)
            database.execute(f"{table} {NUMBERS} SELECT{rest}", (count,))
            database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return time.perf_counter() - begin


def measure(folder: Path, given: argparse.Namespace) -> dict[str, float]:
    line = subprocess.run(
        [sys.executable, HERE / "hub_side.py", folder, str(given.executions), str(given.chain)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    ).stdout.splitlines()[-1]
    found: dict[str, float] = json.loads(line)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--chain", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the databases are; by default a temporary folder")
    given = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = {"empty": {}, "full": {}}
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        print(f"{given.stored:,} finished executions written in {fill(Path(name), given.stored):.0f} s")
        for number in range(1, given.rounds + 1):
            with tempfile.TemporaryDirectory(dir=given.folder) as fresh:
                rounds = {"empty": measure(Path(fresh), given), "full": measure(Path(name), given)}
            print(f"round {number}: {rounds}", file=sys.stderr)
            for store, found in rounds.items():
                for kind, seconds in found.items():
                    figures[store].setdefault(kind, []).append(seconds)
    for kind, title in (
        ("wide", f"{given.executions:,} executions of 5 jobs"),
        ("deep", f"1 execution of {given.chain:,} jobs"),
    ):
        empty, full = (median(figures[store][kind]) for store in ("empty", "full"))
        print(f"{title:32} empty {empty:.3f} s, full {full:.3f} s: {empty / full:.0%} of the throughput")


if __name__ == "__main__":
    main()
