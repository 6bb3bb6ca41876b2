"""How it goes, on standard error: colours and a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

import click

from hub.cli.printing import clean
from hub.model.durations import spoken

if TYPE_CHECKING:
    from rich.progress import Progress

#: Seconds between two plain lines while there is nothing to do but wait.
_PATIENCE = 10


class Telling:
    """Used as a context: the bar is gone at its end."""

    def __init__(self) -> None:
        self._progress = _progress() if sys.stderr.isatty() else None
        self._said: int | None = None
        self._acts = 0

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def act(self, title: str) -> None:
        """A new part of the story."""
        self._acts += 1
        self._line(f"\n{self._acts}. {title}", "bold")

    def say(self, text: str) -> None:
        self._line(f"   {clean(text)}", "")

    def good(self, text: str) -> None:
        """Something came out as it should."""
        self._line(f"   ● {clean(text)}", "green")

    def quiet(self, text: str) -> None:
        """Something came and started nothing."""
        self._line(f"   – {clean(text)}", "dim")

    def bad(self, text: str) -> None:
        self._line(f"   ▲ {clean(text)}", "red")

    def waiting(self, what: str, left_ms: int, whole_ms: int) -> None:
        """Move the bar; `waited` says the same in a pipe."""
        if self._progress is None:
            return
        if not self._progress.tasks:
            self._progress.add_task(what, total=whole_ms, left="")
        (task,) = self._progress.task_ids
        self._progress.update(task, completed=whole_ms - left_ms, left=f"{max(left_ms, 0) / 1000:.0f} s")

    def waited(self, what: str, left_ms: int) -> None:
        """A line now and then, where there is no bar."""
        tenth = max(left_ms, 0) // (_PATIENCE * 1000)
        if self._progress is None and tenth != self._said:
            self._said = tenth
            self._line(f"   … {what} in {spoken(max(left_ms, 0) // 1000 * 1000)}", "")

    def arrived(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            for task in self._progress.task_ids:
                self._progress.remove_task(task)

    def _line(self, text: str, style: str) -> None:
        if self._progress is None:
            click.echo(text, err=True)
        else:
            self._progress.console.print(text, style=style, markup=False, highlight=False)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("   {task.description}"),
        BarColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    )
