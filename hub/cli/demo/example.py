"""A copy of the repository's own project, with addresses of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import hub
from hub.model.errors import BadInput

#: The executor whose schedule is to fire.
SYNC = "daily-sync-workflow"
#: The name of the secret that GitHub and the hub share.
SECRET_NAME = "GITHUB_WEBHOOK_SECRET"  # noqa: S105 - a name

_FOLDERS = ("executors", "workflows")
_FILES = ("config/hub.yaml", "config/shop.sql")


def example_root() -> Path:
    """The folder of the example, beside the package. Raises BadInput when it is not there."""
    root = Path(hub.__file__).resolve().parents[1]
    needed = (*_FOLDERS, *_FILES, f"executors/{SYNC}.yaml")
    missing = [name for name in needed if not (root / name).exists()]
    if missing:
        raise BadInput(
            f"hub demo plays the example of hub's repository, and {root} does not hold it ({missing[0]} is not there). "
            "Clone the repository, install it from there with `pip install -e .`, and run hub demo again. "
            "`hub init DIR` makes a project of your own, and needs no repository."
        )
    return root


def lay_out(root: Path, folder: Path, *, port: int, catalogue_url: str) -> None:
    """Copy the example, and tell the copy where it listens and where its supplier is. Secrets are not copied."""
    for name in _FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "config").mkdir()
    (folder / "var").mkdir()
    for name in _FILES:
        shutil.copyfile(root / name, folder / name)
    change(folder / "config/hub.yaml", r"^(\s*port:\s*)\d+", str(port))
    change(folder / "config/hub.yaml", r"^(\s*catalogue_url:\s*)\S+", catalogue_url)


def set_cron(folder: Path, cron: str) -> None:
    """Give the copy's schedule another time."""
    change(folder / f"executors/{SYNC}.yaml", r'^(\s*cron:\s*)"[^"]*"', f'"{cron}"')


def change(path: Path, pattern: str, value: str) -> None:
    """Put `value` behind the pattern's group, in the one line that has it."""
    text, count = re.subn(pattern, lambda found: found[1] + value, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if count != 1:
        raise BadInput(f"hub demo looks for one line like {pattern} in the example's {path.name}, and found {count}.")
    path.write_text(text, encoding="utf-8")


def statements(script: str) -> list[str]:
    """The statements of a SQL file whose comments are lines or ends of lines, and whose texts hold neither `--` nor `;`."""
    bare = re.sub(r"--[^\n]*", "", script)
    return [part.strip() for part in bare.split(";") if part.strip()]
