"""The README and docs/ are true: their links, commands, snippets and tables."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import click
import pytest
from cli_kit import SECRET, Serving, environment, shell
from click.testing import CliRunner

from hub.cli import cli
from hub.cli.demo.example import SECRET_NAME, lay_out

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def _snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(quick_path: Path) -> Path:
    """What `hub demo --keep` leaves, before anything has happened."""
    folder = quick_path / "kept"
    folder.mkdir()
    lay_out(ROOT, folder, port=0, catalogue_url="http://127.0.0.1:9/")
    with closing(sqlite3.connect(folder / "var/shop.db")) as shop:
        shop.executescript((folder / "config/shop.sql").read_text())
    secrets = folder / "config/secrets.yaml"
    secrets.touch(0o600)
    secrets.write_text(f"{SECRET_NAME}: {SECRET}\n")
    return folder


def test_the_two_commands_stand_there_as_they_are_to_be_typed() -> None:
    venv = "python3 -m venv .venv && .venv/bin/pip install -q --require-hashes -r "
    package = " && .venv/bin/pip install -q --no-deps --no-build-isolation -e . && .venv/bin/"
    lines = README.splitlines()
    assert f"{venv}requirements.txt{package}hub demo" in lines
    assert f"{venv}requirements-dev.txt{package}python -m pytest" in lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_command_of_the_table_exists_and_every_command_is_in_it() -> None:
    table = README[README.index("| command | what it does |") : README.index("## Where things are")]
    said: set[str] = set()
    for line in table.splitlines()[2:]:
        if not line.startswith("|"):
            continue
        group: list[str] = []
        for text in re.findall(r"`([^`]+)`", line.split("|")[1]):
            words = [word for word in text.split() if word.islower() and not word.startswith("-")]
            if words[0] == "hub":
                words = words[1:]
                group = words[:-1]
            else:
                words = [*group, *words]
            said.add(" ".join(words))
    said = {name for name in said if not name.startswith("schema ")} | {"schema"}
    assert said == _commands(cli, [])


def _commands(command: click.Command, path: list[str]) -> set[str]:
    if not isinstance(command, click.Group):
        return {" ".join(path)}
    context = click.Context(command)
    found: set[str] = set()
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        found |= _commands(below, [*path, name])
    return found


def test_the_yaml_and_the_python_snippet_work(project: Path) -> None:
    (executor,) = _snippets("yaml")
    (project / "executors/order-created-workflow.yaml").write_text(executor)
    workflow, _program = _snippets("python")
    (project / "workflows/handling.py").write_text(workflow)
    with closing(sqlite3.connect(project / "var/shop.db")) as shop, shop:
        shop.execute("INSERT INTO orders (customer_id, total) VALUES (1, 240)")
    assert shell("check", cwd=project).out == ""
    args = ["workflow", "start", "order-handling", "-m", "workflow-bot", "-a", '{"order_id": 1}', "-W", "--json"]
    ran = shell(*args, cwd=project)
    assert ran.status == 0, ran.err
    assert ran.json["result"] == {"order_id": 1, "email": "ada@example.com"}
    assert [job["name"] for job in ran.json["jobs"]] == ["handle-order", "find-email"]


def test_the_program_without_a_server_runs(tmp_path: Path) -> None:
    _workflow, program = _snippets("python")
    (tmp_path / "greet.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, "greet.py"], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "{'name': 'John'}\n", "")


def test_every_line_of_the_tour_is_understood() -> None:
    (tour,) = _snippets("sh")
    lines = [line.split(";")[0].split(" > ")[0] for line in tour.splitlines() if line.startswith("hub ")]
    assert len(lines) > 8
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        result = CliRunner().invoke(cli, [*words, "--help"])
        assert result.exit_code == 0, (line, result.stderr)


@pytest.mark.long
def test_the_tour_runs_line_by_line(project: Path) -> None:
    (tour,) = _snippets("sh")
    server = Serving(project)
    try:
        server.wait_until_up()
        config = project / "config/hub.yaml"
        config.write_text(config.read_text().replace("port: 0", f"port: {server.address.rpartition(':')[2]}"))
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        # Between two lines a person takes a breath; the watched database is looked at some thirty times a second.
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", re.sub(r"(db\.commit\(\)\")", r"\1; sleep 1", tour)],
            cwd=project,
            env={key: value for key, value in environment(PATH=path).items() if key != "PUSH_SECRET"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    finally:
        server.kill()
    assert done.returncode == 0, (done.stdout, done.stderr, server.lines)
    assert "all good: 4 executors, 4 workflows" in done.stderr
    assert "\tstarted\t" in done.stdout  # the order that was placed
    first, second = re.findall(r'{"event_id":"(\w+)"', done.stdout)
    assert first == second
    assert "is processed" in done.stderr  # a line that a job wrote
    assert "orders\trecord.created\trecord.created\t0" in done.stdout
