"""docs/python.md is whole and true: it names everything that Python code may use, and its program runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hub
import hub.testing
from hub import Client, Context, Steps
from hub.engine.context import JobLog

PAGE = (Path(__file__).parents[2] / "docs/python.md").read_text()

#: The words between backquotes, outside of the program.
NAMED = set(
    re.findall(
        r"\w+", " ".join(re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)))
    )
)

#: Parts of a context that are the engine's.
OURS = {"committed", "enter", "holds_client", "let_go", "target"}


@pytest.mark.parametrize("kind", [Context, JobLog, Steps, Client, hub.testing.VirtualEngine])
def test_everything_that_it_offers_is_named(kind: type) -> None:
    assert {name for name in dir(kind) if not name.startswith("_")} - OURS - NAMED == set()


def test_everything_that_can_be_imported_is_named() -> None:
    assert set(hub.__all__) - NAMED == set()


def test_the_program_runs(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "program.py").write_text(program)
    ran = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "7\n", "")
