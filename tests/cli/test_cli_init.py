from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import Ran, environment, shell
from click.testing import CliRunner

from hub.cli import cli

BOOKING = """
from hub import Context, job, workflow


@job
def book(input, ctx: Context):
    shop = ctx.database("shop")
    shop.run("INSERT INTO orders DEFAULT VALUES")
    return len(shop.rows("SELECT id FROM orders"))


booking = workflow("booking", book)
"""


def _init(directory: Path) -> Ran:
    result = CliRunner().invoke(cli, ["init", str(directory)], catch_exceptions=False)
    return Ran(result.exit_code, result.stdout, result.stderr)


def test_a_new_project_runs_by_the_very_lines_that_are_printed(tmp_path: Path) -> None:
    made = shell("init", "new one", cwd=tmp_path)
    assert made.status == 0, made.err
    lines = made.out.splitlines()
    assert len(lines) == 3
    assert lines[0] == "cd 'new one'"
    assert lines[2].endswith(" serve")

    folder = tmp_path / "new one"
    checked = shell("check", cwd=folder)
    assert (checked.status, checked.out) == (0, ""), checked
    assert checked.err == "all good: 2 executors, 1 workflow\n"

    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    typed = f"{lines[0]} && {lines[1]} --json"
    done = subprocess.run(
        ["bash", "-c", typed],
        cwd=tmp_path,
        env=environment(PATH=path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert ran.status == 0, ran.err
    assert ran.json["result"] == {"text": "Hello, Ada!", "letters": 3}
    assert [job["name"] for job in ran.json["jobs"]] == ["greet", "count-letters"]


def test_what_the_hub_writes_is_kept_out_of_git_and_from_other_users(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    _init(folder)
    assert shell("executor", "list", cwd=folder).status == 0
    assert {"var/", "config/secrets.yaml"} <= set((folder / ".gitignore").read_text().split())
    assert stat.S_IMODE((folder / "var/hub.db").stat().st_mode) == 0o600


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """What ends a path in an address, or stands for another character there, is a part of the name."""
    folder = tmp_path / "what? 100%41 #1 é"
    _init(folder)
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    config = folder / "config/hub.yaml"
    rights = '["workflow:start:*", "database:write:shop"]'
    config.write_text(
        f'databases: {{shop: {{url: "sqlite:///shop.db"}}}}\n'
        f"auth: {{main-auth: {{machine_users: {{hello-bot: {{permissions: {rights}}}}}}}}}\n"
    )
    target = "target: {workflow: {workflow_name: booking, invoker: anonymous}}"
    (folder / "executors/row.yaml").write_text(
        f"name: row\ntrigger: {{event: {{namespace: shop, type: record.created, model: orders}}}}\n{target}\n"
    )
    (folder / "workflows/booking.py").write_text(BOOKING)
    assert shell("apply", cwd=folder).status == 0
    ran = shell("workflow", "start", "booking", "-m", "hello-bot", "-W", "--json", cwd=folder)
    assert ran.json["result"] == 1, ran
    assert "record.created" in shell("db", "status", "shop", "--json", cwd=folder).json["tables"][0]["installed"]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_its_webhook_and_its_schedule_start_the_workflow(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    _init(folder)
    for args, said in (
        (("hello-webhook", "-d", '{"name": "Grace"}'), "Hello, Grace!"),
        (("hello-schedule", "-d", '{"scheduledTime": "2026-05-04T07:00:00.000Z"}'), "Hello, morning of 2026-05-04!"),
    ):
        result = CliRunner().invoke(cli, ["--project", str(folder), "executor", "trigger", *args, "-W", "--json"])
        assert result.exit_code == 0, result.stderr
        assert f'"text": "{said}"' in result.stdout
    result = CliRunner().invoke(cli, ["--project", str(folder), "executor", "trigger", "hello-webhook", "-d", "{}"])
    assert "filtered" in result.stdout


def test_every_file_says_where_its_schema_is(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    _init(folder)
    for path in [folder / "config/hub.yaml", *folder.glob("executors/*.yaml")]:
        first = path.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (path.parent / first.partition("$schema=")[2]).is_file()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert _init(tmp_path).status == 0
    assert (tmp_path / "workflows/hello.py").is_file()


@pytest.mark.parametrize("taken", ["folder/notes.txt", "folder/.hidden"])
def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, taken: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / taken).write_text("mine")
    ran = _init(tmp_path / "folder")
    assert (ran.status, ran.out) == (1, "")
    assert "is not empty" in ran.err
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["folder", taken]


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for name in ("file", "file/below"):
        ran = _init(tmp_path / name)
        assert (ran.status, ran.out) == (1, ""), name
        assert ran.err.startswith("error: ")
    assert (tmp_path / "file").read_text() == "mine"


def test_what_could_not_be_made_whole_is_not_left_in_the_way(tmp_path: Path) -> None:
    words = f"ulimit -f 1; exec {sys.executable} -m hub init made"  # no file may be longer than a kilobyte
    done = subprocess.run(
        ["bash", "-c", words], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: made: File too large.\n"
    assert list(tmp_path.iterdir()) == []
    assert _init(tmp_path / "made").status == 0
