"""Bodies that SQLite knows by memory and a table are known as an index would know them, whatever happens in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import NOON

from hub.model.clock import first_id
from hub.store.committing import Committer, Operation
from hub.store.dialects import sqlite_bodies
from hub.store.dialects.base import StoreBusy, Tx
from hub.store.dialects.sqlite import SqliteDialect
from hub.store.dialects.sqlite_writing import SqliteConnection
from hub.store.events import STORE_EVENTS, Arrival
from hub.store.opening import prepare
from hub.store.pruning import PRUNE, Prune
from hub.store.verbs import Verb

#: Events between two marks, and bodies that a commit files: few, so that every turn of it is taken.
MANY, AT_ONCE = 6, 2
WINDOW = 5

EVENTS = "SELECT id, source, key, body_key FROM events ORDER BY id"
MARK = "SELECT value FROM meta WHERE key = 'bodies'"


def _fail(_tx: Tx, _items: Sequence[None]) -> Sequence[None]:
    raise ValueError("it cannot be applied")


FAILING: Verb[None, None] = Verb("failing", _fail, order=9)


class Hub:
    """The process that serves a file, or another one that has it open. `indexed`: no process takes the seat."""

    def __init__(self, path: Path, *, indexed: bool, seated: bool = True) -> None:
        self.dialect = SqliteDialect(path, checkpoints=False)
        prepare(self.dialect)
        if seated and not indexed:
            assert self.dialect.take_seat()
        self.connection: SqliteConnection = self.dialect.connect()
        self.trouble = False
        self._committer = Committer(self.connection, probe=self._probe)

    def commit(self, *operations: Operation) -> list[Any]:
        try:
            self._committer.commit(operations)
        except (StoreBusy, ValueError) as error:
            return [type(error).__name__]
        return [
            operation.result if not isinstance(operation.result, Exception) else "refused" for operation in operations
        ]

    def _probe(self, moment: str, _verbs: Sequence[str]) -> None:
        if self.trouble and moment == "before":
            self.trouble = False
            raise StoreBusy("somebody has it")

    def end(self) -> None:
        """As a process that is killed: what is in memory is gone."""
        self.connection.raw.close()
        self.dialect.close()


class Story:
    """The same steps on a file that knows bodies by the table, and on one that has the index."""

    def __init__(self, folder: Path, *, indexed: bool) -> None:
        self._path = folder / f"{'index' if indexed else 'table'}.db"
        self._indexed = indexed
        self._count = 0
        self._now = NOON
        #: Of the commit that is being made: which body came with an id, and which id with a body.
        self._bodies: dict[tuple[str, str], str | None] = {}
        self._keys: dict[tuple[str, str], str | None] = {}
        self.hub = Hub(self._path, indexed=indexed)

    def play(self, step: tuple[Any, ...]) -> object:
        """What the step comes to, for whoever asked for it."""
        kind, *what = step
        self._bodies.clear()
        self._keys.clear()
        match kind:
            case "store":
                batches, failing = what
                operations = [Operation(STORE_EVENTS, self._arrivals(batch)) for batch in batches]
                return self.hub.commit(*operations, *[Operation(FAILING, None)] * failing)
            case "in vain":
                self.hub.trouble = True
                return self.hub.commit(*[Operation(STORE_EVENTS, self._arrivals(batch)) for batch in what[0]])
            case "other":
                other = Hub(self._path, indexed=self._indexed, seated=False)
                said = other.commit(Operation(STORE_EVENTS, self._arrivals(what[0])))
                other.end()
                return said
            case "prune":
                return self.hub.commit(Operation(PRUNE, Prune(self._now - what[0], 0)))
            case "later":
                self._now += what[0]
            case "killed":
                self.hub.end()
                self.hub = Hub(self._path, indexed=self._indexed)
        return None

    def _arrivals(self, batch: Sequence[tuple[str, str | None, str | None, bool]]) -> list[Arrival]:
        return [self._arrival(*one) for one in batch]

    def _arrival(self, source: str, key: str | None, body: str | None, forgotten: bool) -> Arrival:
        # Of two that come at once and share only one of id and body, either may be the first, with an index as well: it depends on what
        # else is in the way of each.
        if key is not None:
            body = self._bodies.setdefault((source, key), body)
        if body is not None and self._keys.setdefault((source, body), key) != key:
            body = None
        self._count += 1
        name = f"{first_id(self._now)}{self._count:06d}"
        until = self._now + WINDOW if forgotten else None
        data = b"" if body is None else body.encode()
        return Arrival(name, source, key, "push", "", "", self._now, self._now, '["x"]', 1, body, until, "{}", data)

    def stored(self) -> list[tuple[Any, ...]]:
        return self.hub.connection.raw.execute(EVENTS).fetchall()


SOURCES = st.sampled_from(["webhook:a", "webhook:b"])
KEYS = st.none() | st.sampled_from(["k1", "k2", "k3"])
BODIES = st.none() | st.sampled_from([f"b{number}" for number in range(12)])
BATCH = st.lists(st.tuples(SOURCES, KEYS, BODIES, st.booleans()), min_size=1, max_size=4)
STORE = st.tuples(st.just("store"), st.lists(BATCH, min_size=1, max_size=3), st.integers(0, 1))
STEPS = st.lists(
    STORE
    | STORE
    | st.tuples(st.just("in vain"), st.lists(BATCH, min_size=1, max_size=2))
    | st.tuples(st.just("other"), BATCH)
    | st.tuples(st.just("prune"), st.integers(0, 8))
    | st.tuples(st.just("later"), st.integers(1, 8))
    | st.tuples(st.just("killed")),
    min_size=1,
    max_size=24,
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_bodies, "_MANY", MANY)
    monkeypatch.setattr(sqlite_bodies, "_AT_ONCE", AT_ONCE)


def compare(folder: Path, steps: Sequence[tuple[Any, ...]]) -> None:
    for old in folder.iterdir():
        old.unlink()
    table, index = Story(folder, indexed=False), Story(folder, indexed=True)
    try:
        for number, step in enumerate(steps):
            assert (number, table.play(step)) == (number, index.play(step))
        assert table.stored() == index.stored()
    finally:
        table.hub.end()
        index.hub.end()


EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@EXAMPLES
@given(STEPS)
def test_they_are_known_as_by_an_index(quick_path: Path, steps: list[tuple[Any, ...]]) -> None:
    compare(quick_path, steps)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(EXAMPLES, max_examples=1_500)
@given(STEPS)
def test_they_are_known_as_by_an_index_in_thousands_of_stories(quick_path: Path, steps: list[tuple[Any, ...]]) -> None:
    compare(quick_path, steps)


def arrival(number: int, body: str) -> Arrival:
    name = f"{first_id(NOON)}{number:06d}"
    return Arrival(name, "webhook:a", None, "push", "", "", NOON, NOON, '["x"]', 1, body, None, "{}", body.encode())


def store(hub: Hub, *arrivals: Arrival) -> list[str]:
    """The event of each: its own, or the first one's."""
    (stored,) = hub.commit(Operation(STORE_EVENTS, arrivals))
    return [one.id for one in stored]


def ask(hub: Hub, sql: str) -> list[tuple[Any, ...]]:
    return hub.connection.raw.execute(sql).fetchall()


def test_those_of_a_file_that_an_earlier_version_served_are_known(quick_path: Path) -> None:
    path = quick_path / "hub.db"
    before = Hub(path, indexed=True)
    firsts = store(before, *[arrival(number, f"b{number}") for number in range(40)])
    before.end()
    hub = Hub(path, indexed=False)
    assert ask(hub, "SELECT name FROM sqlite_master WHERE name = 'events_source_body'") == []
    assert store(hub, arrival(50, "b0"), arrival(51, "b39"), arrival(52, "b40")) == [
        firsts[0],
        firsts[39],
        arrival(52, "").id,
    ]
    hub.end()


def test_few_are_in_memory_and_the_others_filed(quick_path: Path) -> None:
    hub = Hub(quick_path / "hub.db", indexed=False)
    for number in range(100):
        store(hub, arrival(number, f"b{number}"))
    (filed,) = ask(hub, "SELECT count(*) FROM bodies")[0]
    assert 100 - 2 * MANY <= filed < 100
    (mark,) = ask(hub, MARK)[0]
    hub.end()
    # What it costs to start does not grow with what is stored: only what came behind the mark is read.
    assert 100 - 3 * MANY <= int(mark.partition(" ")[0]) <= 100


def test_one_that_another_process_took_when_its_time_was_over_is_that_one_s(quick_path: Path) -> None:
    """What the hub has in memory is older."""
    compare(
        quick_path,
        [
            ("store", [[("webhook:a", None, "b", True)]], 0),
            ("later", WINDOW),
            ("other", [("webhook:a", None, "b", False)]),
            ("store", [[("webhook:a", None, "b", False)]], 0),
        ],
    )


def test_another_process_files_only_when_it_has_a_body_itself(quick_path: Path) -> None:
    path = quick_path / "hub.db"
    hub = Hub(path, indexed=False)
    store(hub, arrival(1, "b"), arrival(2, "c"))
    for number, (body, filed) in enumerate([(None, 0), ("d", 3)]):
        other = Hub(path, indexed=False, seated=False)
        store(other, arrival(3 + number, "")._replace(body_key=body))
        other.end()
        assert ask(hub, "SELECT count(*) FROM bodies") == [(filed,)]
    hub.end()


def test_another_process_files_its_own_at_once_however_many_it_stores(quick_path: Path) -> None:
    path = quick_path / "hub.db"
    hub, other = Hub(path, indexed=False), Hub(path, indexed=False, seated=False)
    store(hub, arrival(0, "b"))
    for number in range(2 * MANY):
        (first,) = store(other, arrival(10 + number, f"c{number}"))
        assert store(hub, arrival(50 + number, f"c{number}")) == [first]
    hub.end()
    other.end()


@pytest.mark.parametrize("commits", range(8))
def test_those_that_were_being_filed_at_a_kill_are_known(quick_path: Path, commits: int) -> None:
    path = quick_path / "hub.db"
    hub = Hub(path, indexed=False)
    firsts = store(hub, *[arrival(number, f"b{number}") for number in range(2 * MANY)])
    firsts += [one for number in range(commits) for one in store(hub, arrival(50 + number, f"c{number}"))]
    hub.end()
    hub = Hub(path, indexed=False)
    again = [arrival(70 + number, f"b{number}") for number in range(2 * MANY)]
    again += [arrival(90 + number, f"c{number}") for number in range(commits)]
    assert store(hub, *again) == firsts
    hub.end()


def test_a_file_whose_rows_were_numbered_anew_forgets_none(quick_path: Path) -> None:
    """VACUUM does that: the mark is none any more."""
    path = quick_path / "hub.db"
    hub = Hub(path, indexed=False)
    firsts = store(hub, *[arrival(number, f"b{number}") for number in range(20)])
    hub.end()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM events WHERE id < ?", (firsts[10],))
        connection.execute("VACUUM")
    hub = Hub(path, indexed=False)
    store(hub, arrival(30, "b30"))
    hub.end()
    hub = Hub(path, indexed=False)
    again = [arrival(40 + number, f"b{number}") for number in range(20)]
    assert store(hub, *again) == [one.id for one in again[:10]] + firsts[10:]
    hub.end()


def test_a_start_goes_on_with_the_index_when_the_file_is_held(quick_path: Path) -> None:
    path = quick_path / "hub.db"
    Hub(path, indexed=True).end()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        hub = Hub(path, indexed=False)
    assert ask(hub, "SELECT name FROM sqlite_master WHERE name = 'bodies'") == []
    assert store(hub, arrival(1, "b"), arrival(2, "b")) == [arrival(1, "b").id] * 2
    hub.end()
