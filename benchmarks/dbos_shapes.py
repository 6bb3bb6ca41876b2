"""DBOS's side of engine_shapes.py, run by the interpreter of its own environment: prints one line of JSON.

python dbos_shapes.py FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from dbos import DBOS


@DBOS.step()
async def add_one(n: int) -> int:
    return n + 1


@DBOS.step()
def add_one_plainly(n: int) -> int:
    return n + 1


@DBOS.workflow()
async def fan_out(size: int) -> int:
    return sum(await asyncio.gather(*[add_one(number) for number in range(size)]))


@DBOS.workflow()
def count_plainly(size: int) -> int:
    n = 0
    for _ in range(size):
        n = add_one_plainly(n)
    return n


async def gather(size: int, count: int) -> float:
    begin = time.perf_counter()
    handles = await asyncio.gather(*[DBOS.start_workflow_async(fan_out, size) for _ in range(count)])
    await asyncio.gather(*[handle.get_result() for handle in handles])
    return time.perf_counter() - begin


def plain(size: int, count: int) -> float:
    begin = time.perf_counter()
    handles = [DBOS.start_workflow(count_plainly, size) for _ in range(count)]
    assert {handle.get_result() for handle in handles} == {size}
    return time.perf_counter() - begin


def main() -> None:
    path = Path(sys.argv[1]) / "dbos.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=wal")
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{path}", "log_level": "ERROR"})
    DBOS.launch()
    plain(5, 1)
    found = {"plain": plain(5, 200), "gather": asyncio.run(gather(50, 20))}
    DBOS.destroy()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
