"""Tables on a terminal. Where it is too narrow for all columns, the last ones go below the others: no id is broken in two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_GAP = "  "


def print_on_terminal(rows: Sequence[Sequence[str]], columns: Sequence[str], styles: Mapping[str, str]) -> None:
    """Each row has a cell for each column; `styles` are those of cells, by their text."""
    console = Console()
    whole = [[columns[at], *[row[at] for row in rows]] for at in range(len(columns))]
    words = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in whole]
    if _beside(words, console.width) == len(columns):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name, width in zip(columns, words, strict=True):
            table.add_column(name, overflow="fold", min_width=width)
        for row in rows:
            table.add_row(*[Text(cell, style=styles.get(cell, "")) for cell in row])
        console.print(table)
        return
    widths = [max(map(cell_len, column)) for column in whole]
    above = max(_beside(widths, console.width), 1)
    console.print(_line(columns[:above], widths, dict.fromkeys(columns, "bold")))
    for row in rows:
        console.print(_line(row[:above], widths, styles))
        if below := _named(row[above:], columns[above:], styles):
            console.print(Padding(below, (0, 0, 0, len(_GAP)), expand=False))


def _beside(widths: Sequence[int], room: int) -> int:
    """How many columns, from the first on, have room beside each other."""
    fit = [count for count in range(1, len(widths) + 1) if sum(widths[:count]) + len(_GAP) * (count - 1) <= room]
    return max(fit, default=0)


def _line(cells: Sequence[str], widths: Sequence[int], styles: Mapping[str, str]) -> Text:
    padded = [
        Text.assemble((cell, styles.get(cell, "")), " " * (width - cell_len(cell)))
        for cell, width in zip(cells, widths, strict=False)
    ]
    line = Text(_GAP).join(padded)
    line.rstrip()
    return line


def _named(cells: Sequence[str], columns: Sequence[str], styles: Mapping[str, str]) -> Text:
    """What there is, each behind the name of its column."""
    there = [(name, cell) for name, cell in zip(columns, cells, strict=True) if cell not in ("", "-")]
    return Text(" · ").join([Text.assemble((f"{name} ", "dim"), (cell, styles.get(cell, ""))) for name, cell in there])
