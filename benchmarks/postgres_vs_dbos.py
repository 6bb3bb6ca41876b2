"""The engine against DBOS on one PostgreSQL server, in the same run: prints a table and the ratios.

The server is the tests' own, on the disk that is to be measured, with its default settings. Each round runs every contender
once, in turn, each in a process of its own on a fresh database; what is printed are medians over the rounds. Below all of them is a
bare psycopg connection that commits one row after the other: no engine that stores each job at once comes below that.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import psycopg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from engine_vs_dbos import Figures, measure, table  # noqa: E402 - behind the path
from postgres_cluster import Cluster  # noqa: E402

HUB = "hub (PostgreSQL)"
PEER = "DBOS (PostgreSQL)"
FLOOR = "bare psycopg, a commit a job"


def commits(count: int, url: str) -> float:
    """Seconds for that many one-row commits."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE results (id int PRIMARY KEY, result text)")
        begin = time.perf_counter()
        for number in range(count):
            connection.execute("INSERT INTO results VALUES (%s, %s)", (number, "x" * 200), prepare=True)
        return time.perf_counter() - begin


def fresh(cluster: Cluster) -> str:
    """The address of a new database."""
    cluster.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
    cluster.execute("CREATE DATABASE bench")
    return cluster.url("bench")


def one_round(cluster: Cluster, given: argparse.Namespace, figures: Figures) -> None:
    contenders = {HUB: [sys.executable, str(HERE / "hub_side.py")]}
    if given.peer_python:
        contenders[PEER] = [given.peer_python, str(HERE / "dbos_side.py")]
    for name, command in contenders.items():
        found = measure([*command, "--store", fresh(cluster)], given.folder, given)
        print(f"{name}: {found}", file=sys.stderr)
        for kind, seconds in found.items():
            figures.setdefault(name, {}).setdefault(kind, []).append(seconds)
    figures.setdefault(FLOOR, {}).setdefault("deep", []).append(commits(given.chain, fresh(cluster)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="the interpreter of an environment with DBOS; without it: the hub alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--chain", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="on the disk that is to be measured")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one contender in one round")
    given = parser.parse_args()
    cluster = Cluster(disk=str(given.folder))
    figures: Figures = {}
    try:
        for _ in range(given.rounds):
            one_round(cluster, given, figures)
    finally:
        cluster.stop()
    table(figures, given, ours=HUB)


if __name__ == "__main__":
    main()
