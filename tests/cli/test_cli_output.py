"""Where a project is found, what is printed where, and how quickly."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import Hub, environment, shell
from click.testing import CliRunner

from hub.cli import cli
from hub.cli.session import said_of


def test_a_project_is_named_before_and_behind_the_command_and_by_the_environment(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, args = str(hub.root), ["executor", "list", "--json"]
    here = shell(*args, cwd=hub.root)
    assert len(here.json) == 4
    monkeypatch.chdir(tmp_path)
    for words in (["--project", root, *args], [*args, "--project", root]):
        assert CliRunner().invoke(cli, words).stdout == here.out
    monkeypatch.setenv("HUB_PROJECT", root)
    assert CliRunner().invoke(cli, args).stdout == here.out
    # What is said in the command comes first.
    assert CliRunner().invoke(cli, [*args, "--project", str(tmp_path)]).exit_code == 2


def test_without_a_project_it_says_how_to_get_one(tmp_path: Path) -> None:
    ran = shell("executor", "list", cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert "is no project" in ran.err
    assert "hub init DIR" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_in_a_folder_of_a_project_it_says_where_that_is(hub: Hub) -> None:
    ran = shell("executor", "list", cwd=hub.root / "executors")
    assert (ran.status, ran.out) == (2, "")
    assert f"above it, {hub.root}, is one" in ran.err


def test_a_mistyped_command_suggests_the_closest(hub: Hub) -> None:
    assert "No such command 'serv'. Did you mean 'serve'" in hub("serv").err
    assert "Did you mean 'list'" in hub("executor", "lst").err
    assert hub("serv").status == 2


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_on_a_terminal_no_name_is_broken_in_two(hub: Hub, columns: int) -> None:
    shown = _on_a_terminal(hub.root, columns, "executor", "list")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown.splitlines()]
    names = ["github-push", "nightly", "number-webhook", "row-created"]
    assert [line.split()[0] for line in lines if line and line.split()[0] in names] == names, (
        "a row begins with its name"
    )
    assert all(len(line) <= columns for line in lines), lines
    for name in names:
        assert f"executors/{name}.yaml" in shown
    assert (len(lines) == 1 + len(names)) == (columns == 80)


def _on_a_terminal(root: Path, columns: int, *args: str) -> str:
    """What a terminal of so many columns is sent."""
    ours, theirs = os.openpty()
    words = [sys.executable, "-m", "hub", *args]
    process = subprocess.Popen(
        words, cwd=root, env=environment(COLUMNS=str(columns), TERM="xterm"), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # what reading says when the other side is closed
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()


def test_in_a_pipe_a_table_is_plain_text(hub: Hub) -> None:
    ran = shell("executor", "list", cwd=hub.root)
    assert ran.out.isprintable() is False  # tabs and newlines
    assert "\x1b" not in ran.out
    assert ran.out.splitlines()[0].split("\t") == ["name", "kind", "state", "target", "file"]
    assert len(ran.out.splitlines()) == 5


def test_an_empty_list_is_an_empty_output(hub: Hub) -> None:
    ran = hub("workflow", "executions")
    assert (ran.status, ran.out, ran.err) == (0, "", "no executions yet\n")
    assert hub("workflow", "executions", "--json").json == []
    assert hub("workflow", "executions", "-n", "addin").err == "no such executions\n"
    assert hub("event", "list").err == "no events yet\n"
    assert hub("event", "list", "--outcome", "failed").err == "no such events\n"


def test_who_reads_on_no_more_is_not_told_of_it(hub: Hub) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "hub", "executor", "list"]
    ran = subprocess.run(
        words, cwd=hub.root, env=environment(), stdout=writing, stderr=subprocess.PIPE, timeout=120, check=False
    )
    os.close(writing)
    assert ran.stderr == b""


def test_what_was_sent_cannot_steer_the_terminal(hub: Hub) -> None:
    nasty = "\x1b]52;c;aGk=\x07\r\u202eevil\nline"
    path = hub.root / "executors/number-webhook.yaml"
    path.write_text(path.read_text().replace("Adds what it is sent", json.dumps(nasty)))
    shown = hub("executor", "get", "number-webhook")
    assert shown.status == 0
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(shown.out)
    assert "\\x1b]52" in shown.out
    assert hub.json("executor", "get", "number-webhook")["description"] == nasty


def test_problems_of_the_configuration_are_all_told(hub: Hub) -> None:
    (hub.root / "config/hub.yaml").write_text("store: [1]\nserver: {port: no}\n")
    ran = hub("executor", "list")
    assert (ran.status, ran.out) == (1, "")
    assert "config/hub.yaml:1:" in ran.err
    assert "config/hub.yaml:2:" in ran.err
    checked = hub("check", "--json")
    assert checked.status == 1
    assert {(one["file"], one["line"]) for one in checked.json} >= {("config/hub.yaml", 1), ("config/hub.yaml", 2)}


def test_a_store_that_may_not_be_touched_is_a_sentence_and_no_traceback(hub: Hub) -> None:
    (hub.root / "var").mkdir()
    (hub.root / "var/hub.db").symlink_to("/proc/self/status")  # whose mode nobody may change
    assert shell("check", cwd=hub.root).status == 0, "it looks at the files all the same"
    for words in (["executor", "list"], ["serve", "--port", "0"]):
        ran = shell(*words, cwd=hub.root)
        assert ran.status == 1
        assert re.fullmatch(r"error: \S+ cannot be used: .+\n", ran.err), ran.err


def test_what_the_system_refuses_is_said_with_what_to_do() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "var/hub.db")
    assert said_of(full) == "var/hub.db: No space left on device: make room, and try again."
    assert said_of(OSError(errno.EIO, "it broke")) == "it broke."
    assert said_of(OSError("without a number")) == "without a number"


@pytest.mark.parametrize("kind", ["executor", "config"])
def test_schemas_are_printed(hub: Hub, kind: str) -> None:
    ran = hub("schema", kind)
    assert ran.json["$schema"].startswith("https://json-schema.org/")
    assert hub("schema", "workflow").status == 2


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from hub.cli import cli; cli(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    for heavy in ("sqlalchemy", "pydantic", "starlette", "rich", "yaml", "apscheduler"):
        assert f"'{heavy}'" not in done.stdout


def test_every_command_explains_itself(hub: Hub) -> None:
    from hub.cli import _COMMANDS

    assert {"demo", "init", "serve", "check"} <= set(_COMMANDS)
    for name, (_, text) in _COMMANDS.items():
        ran = hub(name, "--help")
        assert ran.status == 0, name
        assert "Usage:" in ran.out
        assert text
