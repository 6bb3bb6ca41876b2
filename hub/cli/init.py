"""`hub init`: a new project that runs."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Literal

import click

from hub.cli.printing import note
from hub.cli.session import FAILED, as_called, said_of

_TEMPLATES = Path(__file__).parent / "new_project"

#: Where each file goes -> the template that it is made from.
_FILES = {
    "config/hub.yaml": "hub.yaml",
    "executors/hello-webhook.yaml": "webhook.yaml",
    "executors/hello-schedule.yaml": "schedule.yaml",
    "workflows/hello.py": "hello.py.txt",
    ".gitignore": "gitignore.txt",
}

#: For editors: the first line of each YAML file names one of these. `hub schema` prints them, also after an upgrade.
_SCHEMAS: dict[str, Literal["config", "executor"]] = {
    "config/schemas/config.json": "config",
    "config/schemas/executor.json": "executor",
}


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def init(directory: Path) -> None:
    """Make a new project that runs: one workflow, a webhook and a schedule that start it."""
    why = _unfit(directory)
    if why is not None:
        click.echo(f"error: {why}", err=True)
        sys.exit(FAILED)
    is_new = not directory.exists()
    try:
        _write(directory)
    except OSError as error:
        if is_new:  # what is half made would be in the way of the next try
            shutil.rmtree(directory, ignore_errors=True)
        error.filename = error.filename or directory
        click.echo(f"error: {said_of(error)}", err=True)
        sys.exit(FAILED)
    for name in (*_FILES, *_SCHEMAS):
        note(f"made {directory / name}")
    note("Next:")
    hub = as_called()
    click.echo(f"cd {shlex.quote(str(directory))}")
    click.echo(f"""{hub} workflow start hello -m hello-bot -a '{{"name": "Ada"}}' -W""")
    click.echo(f"{hub} serve")


def _unfit(directory: Path) -> str | None:
    """Why no project can be made there; None when it can."""
    if directory.is_dir():
        if any(directory.iterdir()):
            return f"{directory} is not empty, and nothing in it was changed: name a new folder, or empty this one."
    elif directory.exists() or directory.is_symlink():
        return f"{directory} is a file: name a new folder."
    return None


def _write(directory: Path) -> None:
    from hub.declare.checking import schema

    for name, template in _FILES.items():
        _put(directory / name, (_TEMPLATES / template).read_text(encoding="utf-8"))
    for name, kind in _SCHEMAS.items():
        _put(directory / name, json.dumps(schema(kind), indent=2) + "\n")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
