"""Output: tables on a terminal, plain text in a pipe, JSON when asked. Data to stdout, progress to stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

#: Escape sequences and other control characters of stored texts must not reach a terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_COLOURS = {
    "SUCCESS": "green",
    "started": "green",
    "FAILED": "red",
    "failed": "red",
    "rejected": "red",
    "CANCELED": "yellow",
    "RUNNING": "cyan",
    "WAITING": "blue",
    "PENDING_RETRY": "yellow",
}


def print_json(value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # JSON escapes only some of what a terminal would obey.
    click.echo(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def clean(value: Any) -> str:
    """A value as one safe piece of text."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def one_line(value: Any) -> str:
    """A value as one safe piece of text that stays on its line."""
    return clean(value).replace("\n", "\\n").replace("\t", " ")


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """A table on a terminal, tab-separated lines in a pipe."""
    if not rows:
        click.echo(empty, err=True)
        return
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            click.echo("\t".join(clean(row.get(column)).replace("\n", " ").replace("\t", " ") for column in columns))
        return
    from hub.cli.tables import print_on_terminal

    print_on_terminal([[clean(row.get(column)) for column in columns] for row in rows], columns, _COLOURS)


def print_fields(row: Mapping[str, Any]) -> None:
    """One thing, a line a field."""
    width = max(len(name) for name in row)
    for name, value in row.items():
        click.echo(f"{name.ljust(width)}  {clean(value)}")


def show(value: Any, *, as_json: bool, columns: Sequence[str] = (), empty: str = "none") -> None:
    """A list or one thing, as asked."""
    if as_json:
        print_json(value)
    elif isinstance(value, list):
        print_table(value, columns, empty)
    else:
        print_fields(value)


def note(text: str) -> None:
    """Progress, for people."""
    click.echo(clean(text), err=True)
