"""The engine against DBOS on SQLite, on the same machine in the same run: prints a table and the ratios.

Each round runs every contender once, in turn, each in a process of its own on a fresh file; what is printed are medians
over the rounds. Nobody's start-up is timed, and everybody runs one small execution first.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
JOBS_EACH = 5
HUB = "hub (WAL, FULL: its default)"
FLOOR = "bare SQLite (WAL, FULL), a commit a job"
PEERS = {
    "DBOS (rollback journal, FULL: its default)": "delete",
    "DBOS (WAL, FULL)": "wal",
}

Figures = dict[str, dict[str, list[float]]]


def measure(command: list[str], folder: Path, given: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        line = subprocess.run(
            [*command[:2], fresh, str(given.executions), str(given.chain), *command[2:]],
            check=True,
            capture_output=True,
            text=True,
            timeout=given.timeout,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        ).stdout.splitlines()[-1]
    found: dict[str, float] = json.loads(line)
    return found


def commits(count: int, folder: Path) -> float:
    """Seconds for that many one-row commits without any engine: below this no engine comes that stores each job at once."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh, closing(sqlite3.connect(f"{fresh}/floor.db")) as database:
        database.isolation_level = None
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE results (id INTEGER PRIMARY KEY, result TEXT)")
        begin = time.perf_counter()
        for number in range(count):
            database.execute("INSERT INTO results VALUES (?, ?)", (number, "x" * 200))
        return time.perf_counter() - begin


def contenders(given: argparse.Namespace) -> dict[str, list[str]]:
    found = {HUB: [sys.executable, str(HERE / "hub_side.py")]}
    for name, journal in PEERS.items():
        if journal not in given.skip:
            found[name] = [given.peer_python, str(HERE / "dbos_side.py"), "--journal", journal]
    return found


def table(figures: Figures, given: argparse.Namespace, ours: str = HUB) -> None:
    sizes = {"wide": given.executions * JOBS_EACH, "deep": given.chain}
    titles = {
        "wide": f"{given.executions:,} executions of {JOBS_EACH} jobs, started at once",
        "deep": f"1 execution of {given.chain:,} jobs, one after the other",
    }
    for kind, title in titles.items():
        print(f"\n{title}\n{'':44}{'median s':>10}{'jobs/s':>10}{'hub is':>12}   all rounds")
        best = median(figures[ours][kind])
        for name, found in figures.items():
            if kind not in found:
                continue
            middle = median(found[kind])
            ratio = "" if name == ours else f"{middle / best:.1f} times"
            rounds = " ".join(f"{seconds:.3f}" for seconds in found[kind])
            print(f"{name:44}{middle:10.3f}{sizes[kind] / middle:10,.0f}{ratio:>12}   {rounds}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peer-python", required=True, help="the interpreter of an environment with requirements-peers.txt"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--chain", type=int, default=1000)
    parser.add_argument(
        "--skip", nargs="*", default=[], choices=list(PEERS.values()), help="a peer's journal to leave out"
    )
    parser.add_argument("--folder", type=Path, default=Path("var"), help="on the disk that is to be measured")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one contender in one round")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    figures: Figures = {}
    for number in range(1, given.rounds + 1):
        for name, command in contenders(given).items():
            found = measure(command, given.folder, given)
            print(f"round {number}: {name}: {found}", file=sys.stderr)
            for kind, seconds in found.items():
                figures.setdefault(name, {}).setdefault(kind, []).append(seconds)
        figures.setdefault(FLOOR, {}).setdefault("deep", []).append(commits(given.chain, given.folder))
    table(figures, given)


if __name__ == "__main__":
    main()
