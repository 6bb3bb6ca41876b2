"""docs/architecture.md is true: the files that it names are there, and its arrows are imports that go down its floors."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
FLOORS = re.findall(r"^\| (\d) \| (.*?) \|", PAGE, re.MULTILINE)


def _named() -> list[str]:
    """Files and folders, with at least a part of where they are."""
    return sorted(set(re.findall(r"(?:[\w-]+/)+(?:[\w-]+\.(?:py|toml|json|txt))?", PAGE)))


def _arrows() -> list[tuple[str, str]]:
    (_, picture) = re.findall(r"^```mermaid\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    found = []
    for line in picture.splitlines()[1:]:
        sides = [
            [one.group(1) for one in re.finditer(r"(\w+)(?:[\[(].*?[\])])*(?: &|$)", side.strip())]
            for side in line.split("-->")
        ]
        found += [(above, below) for above in sides[0] for below in sides[1] if (ROOT / "hub" / above).is_dir()]
    return found


def test_what_it_names_is_there() -> None:
    named = _named()
    assert len(named) > 60
    homes = [ROOT, ROOT / "hub", ROOT / "hub/triggers"]
    assert [name for name in named if not any((home / name).exists() for home in homes)] == []


def test_every_package_has_a_floor() -> None:
    told = {name for _, cell in FLOORS for name in re.findall(r"`(\w+)(?:\.py|/)", cell)}
    there = {
        path.stem
        for path in (ROOT / "hub").iterdir()
        if path.stem[0] != "_" and (path.is_dir() or path.suffix == ".py")
    }
    assert told == there


def test_its_arrows_are_imports_and_go_down() -> None:
    floor = {name: int(number) for number, cell in FLOORS for name in re.findall(r"`(\w+)/", cell)}
    arrows = _arrows()
    assert len(arrows) > 15
    for above, below in arrows:
        sources = [file.read_text() for file in (ROOT / "hub" / above).rglob("*.py")]
        imported = re.compile(rf"^ *(?:from|import) hub\.{below}\b", re.MULTILINE)
        assert any(imported.search(source) for source in sources), (above, below)
        assert floor[above] >= floor[below], (above, below)
