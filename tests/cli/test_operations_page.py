"""docs/operations.md is true: its backup is taken while the server works, and everything is there when it is restored."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import serving, shell

from hub.declare.config import load_config

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text()


def _snippet(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.timeout(300)  # five processes, one after the other
def test_a_backup_of_a_server_that_works_has_everything(quick_path: Path) -> None:
    first, second = quick_path / "first", quick_path / "second"
    assert shell("init", str(first), cwd=quick_path).status == 0
    with serving(first):
        start = ("workflow", "start", "hello", "-m", "hello-bot", "-a", '{"name": "Ada"}', "-W", "--json")
        ran = shell(*start, cwd=first).json
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _snippet("sh")],
            cwd=first,
            env={**os.environ, "PATH": path},
            check=True,
            timeout=120,
        )
    shutil.copytree(first, second, ignore=shutil.ignore_patterns("var", "backup"))
    shutil.copytree(first / "backup/var", second / "var")
    assert shell("verify", "--json", cwd=second).json["ok"]
    assert shell("workflow", "executions", ran["id"], "--json", cwd=second).json == {**ran, "reason": None}
    made = {file.name for file in (second / "var").iterdir()}
    assert {"hub.db", "token.keys", "refused.key"} <= made
    assert all(file.stat().st_mode & 0o077 == 0 for file in (second / "var").iterdir())


def test_its_settings_are_settings(tmp_path: Path) -> None:
    file = tmp_path / "config/hub.yaml"
    file.parent.mkdir()
    file.write_text(_snippet("yaml"))
    config, problems = load_config(tmp_path)
    assert problems == []
    assert config is not None
    assert (config.engine.max_running, config.retention.executions) == (200, 90 * 86_400_000)
