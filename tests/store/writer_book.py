"""What the writer writes to in its tests: a book in the place of a database, and a verb that notes something in it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from kit import PATIENCE, FakeClock

from hub.store.committing import Committer
from hub.store.inline_writer import InlineWriter
from hub.store.thread_writer import ThreadWriter
from hub.store.verbs import Verb
from hub.store.writer import Writer


class Book:
    """Stands in for a database: what was committed, in order, and what the next moments bring."""

    def __init__(self) -> None:
        self.committed: list[list[object]] = []
        self.open: list[object] | None = None
        self.marks: list[int] = []
        self.begin_errors: list[Exception] = []
        self.commit_errors: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        #: The thread has taken what it is going to commit, and stands at the gate.
        self.taken = threading.Event()
        self.closed = False

    def begin(self) -> Book:
        self.taken.set()
        self.gate.wait(PATIENCE)
        if self.begin_errors:
            raise self.begin_errors.pop(0)
        assert self.open is None
        self.open = []
        return self

    def commit(self) -> None:
        if self.commit_errors:
            raise self.commit_errors.pop(0)
        assert self.open is not None
        self.committed.append(self.open)
        self.open = None

    def rollback(self) -> None:
        self.open = None

    def savepoint(self) -> None:
        self.marks.append(len(self.open or []))

    def release(self) -> None:
        self.marks.pop()

    def rollback_to(self) -> None:
        del self.open[self.marks.pop() :]  # type: ignore[index]

    def close(self) -> None:
        self.closed = True


def _note(book: Book, items: Sequence[object]) -> list[object]:
    for item in items:
        if item == "unacceptable":
            raise ValueError("it cannot be applied")
        assert book.open is not None
        book.open.append(item)
    return [ValueError("refused") if item == "refused" else f"did {item}" for item in items]


def verb(name: str, order: int = 0, rings: tuple[str, ...] = ()) -> Verb[str, str]:
    return Verb(name, _note, rings=rings, order=order)  # type: ignore[arg-type]


NOTE = verb("note")


class Setting:
    def __init__(self, kind: str) -> None:
        self.book = Book()
        self.probes: list[tuple[str, list[str]]] = []
        self.rung: list[str] = []
        self.broken: list[Exception] = []
        self.clock = FakeClock()
        self.committer = Committer(
            self.book,  # type: ignore[arg-type]
            probe=lambda moment, names: self.probes.append((moment, list(names))),
            bell=self.ring,
        )
        self.writer: Writer = (
            InlineWriter(self.committer)
            if kind == "inline"
            else ThreadWriter(self.committer, self.clock, on_broken=self.broken.append)
        )

    def ring(self, topic: str) -> None:
        self.rung.append(topic)
        if topic == "deaf":
            raise RuntimeError("a listener's own fault")
