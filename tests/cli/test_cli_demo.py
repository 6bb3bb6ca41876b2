"""`hub demo`: for real, and what it would say if something were not as it must be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cli_kit import environment, shell
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.demo import example
from hub.cli.demo.example import SYNC, change, example_root, lay_out, set_cron, statements
from hub.cli.demo.ledger import Ledger
from hub.cli.demo.slots import choose, make_due
from hub.declare.config import load_config
from hub.declare.executors import load_executors
from hub.model.errors import BadInput
from hub.model.event import Delivery, Outcome
from hub.model.execution import ExecutionRecord, Status
from hub.model.executor import ScheduleTrigger
from hub.triggers.schedule.cron import cron_of

MINUTE = 60_000


def test_the_whole_demo(tmp_path: Path) -> None:
    ran = shell(
        "demo", "--schedule", "missed", "--json", cwd=tmp_path, env=environment(TMPDIR=str(tmp_path)), seconds=240
    )
    assert ran.status == 0, ran.err
    shown = ran.json
    assert shown["ok"] is True
    assert [check for check in shown["checks"] if not check["ok"]] == []
    assert [(one["what"], one["outcome"], one["status"]) for one in shown["happenings"]] == [
        ("last night's sync", "started", "SUCCESS"),
        ("an order over 240.00", "started", "SUCCESS"),
        ("an order over 40.00", "filtered", None),
        ("a signed push to main", "started", "SUCCESS"),
        ("the same delivery again", "repeated", None),
        ("a forged push", "refused", None),
        ("a signed push to a branch", "filtered", None),
        ("a plain webhook", "started", "SUCCESS"),
        ("an order whose server is killed", "started", "SUCCESS"),
    ]
    resumption = shown["resumption"]
    assert resumption["signal"] == signal.SIGKILL
    assert resumption["not_run_again"] == resumption["finished_before"] == ["process-order/fetch-customer"]
    assert resumption["ran_after"]["process-order/send-notification"] == 2
    assert not _exists(resumption["killed_pid"])
    # Nothing is left: no folder, and nobody at the address.
    assert list(tmp_path.iterdir()) == []
    assert "\x1b" not in ran.err
    assert shown["address"] in ran.err


#: Whoever runs the suite in the background may ignore Ctrl-C, and children inherit that.
heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle_it_ends_what_it_has_started(tmp_path: Path, number: int, status: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "demo", "--schedule", "live"],
        preexec_fn=heeds_ctrl_c,  # noqa: PLW1509 - it sets a signal, and no more
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    server = 0
    assert process.stderr is not None
    try:
        for line in process.stderr:
            said.append(line)
            if (found := re.search(r"hub serve answers .*\(process (\d+)\)", line)) is not None:
                server = int(found[1])
                break
        else:
            pytest.fail("".join(said))
        assert _exists(server)
        process.send_signal(number)
        out, rest = process.communicate(timeout=60)
        assert process.returncode == status, rest
        assert out == ""
        assert "Traceback" not in rest
        assert not _exists(server)
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.wait()
        if server and _exists(server):  # only when this test has failed
            os.kill(server, signal.SIGKILL)


@pytest.mark.long
def test_the_whole_demo_with_a_slot_to_wait_for_and_a_server_that_stays(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "demo", "--schedule", "live", "--json", "--keep", "--stay"],
        preexec_fn=heeds_ctrl_c,  # noqa: PLW1509 - it sets a signal, and no more
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    guard = threading.Timer(240, process.kill)
    guard.start()
    try:
        for line in process.stderr:
            if "until Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        guard.cancel()
        process.kill()
        process.wait()
    assert process.returncode == 0
    shown = json.loads(out)
    assert shown["ok"] is True
    assert shown["schedule"]["live"] is True
    assert 0 <= shown["schedule"]["late_ms"] < 2_000
    folder = Path(shown["project"])
    # What is kept goes on working: its secret is there, for its owner alone.
    assert shell("check", cwd=folder).status == 0
    assert (folder / "config/secrets.yaml").stat().st_mode & 0o777 == 0o600
    assert len(shell("event", "list", "--json", cwd=folder).json) == 7


# --- the example


def test_the_copy_differs_from_the_example_in_its_addresses_alone(tmp_path: Path) -> None:
    root = example_root()
    lay_out(root, tmp_path, port=4321, catalogue_url="http://127.0.0.1:9/c")
    config, problems = load_config(tmp_path)
    assert problems == []
    assert config is not None
    assert (config.server.port, config.env["catalogue_url"]) == (4321, "http://127.0.0.1:9/c")
    for copied in [path for path in tmp_path.rglob("*") if path.is_file()]:
        original = root / copied.relative_to(tmp_path)
        if copied.name != "hub.yaml":
            assert copied.read_bytes() == original.read_bytes()
    assert not (tmp_path / "config/secrets.yaml").exists()


def test_an_installation_without_the_example_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example.hub, "__file__", str(tmp_path / "hub/__init__.py"))
    with pytest.raises(BadInput, match="hub init DIR"):
        example_root()


def test_an_example_that_has_changed_is_not_changed_blindly(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    for text in ("server: {}\n", "  port: 1\n  port: 2\n"):
        path.write_text(text)
        with pytest.raises(BadInput, match="one line"):
            change(path, r"^(\s*port:\s*)\d+", "3")
        assert path.read_text() == text


def test_statements_of_a_script() -> None:
    script = "-- first; a comment\nCREATE TABLE a (b); -- and\nINSERT INTO a VALUES ('x');\n\n"
    assert statements(script) == ["CREATE TABLE a (b)", "INSERT INTO a VALUES ('x')"]


# --- the slot


@given(st.integers(min_value=1_700_000_000_000, max_value=2_000_000_000_000))
def test_a_slot_to_wait_for_is_a_whole_minute_that_the_server_can_reach(now: int) -> None:
    live = choose(now, "live")
    assert live is not None
    assert live % MINUTE == 0
    assert 5_000 < live - now <= 65_000
    near = choose(now, "auto")
    assert near in (None, live)
    assert (near is None) == (live - now > 30_000)
    assert choose(now, "missed") is None


@given(st.integers(min_value=28_000_000, max_value=33_000_000))
def test_the_copys_schedule_is_due_at_that_minute(minute: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"executors/{SYNC}.yaml"
        path.parent.mkdir()
        path.write_text((example_root() / f"executors/{SYNC}.yaml").read_text())
        make_due(Path(folder), minute * MINUTE)
        (executor,) = load_executors(Path(folder)).executors
    assert isinstance(executor.trigger, ScheduleTrigger)
    assert cron_of(executor.trigger).next_after(minute * MINUTE - 1) == minute * MINUTE


def test_a_cron_is_set_once(tmp_path: Path) -> None:
    (tmp_path / "executors").mkdir()
    path = tmp_path / f"executors/{SYNC}.yaml"
    path.write_text('schedule:\n    cron: "0 2 * * *" # every night\n')
    set_cron(tmp_path, "5 6 * * *")
    assert path.read_text() == 'schedule:\n    cron: "5 6 * * *" # every night\n'


# --- the ledger


def _delivery(outcome: Outcome) -> Delivery:
    return Delivery("E.x", "E", "x", outcome, "a reason", 0)


def _record(status: Status) -> ExecutionRecord:
    nothing: dict[str, Any] = dict.fromkeys(("invoker", "result", "error", "executor", "event_id"))
    return ExecutionRecord(
        id="X", workflow="w", status=status, args={}, attempts=1, created_at=0, started_at=0, finished_at=0,
        revision=None, **nothing,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "status", "good"),
    [
        (Outcome.STARTED, Status.SUCCESS, True),
        (Outcome.STARTED, Status.FAILED, False),
        (Outcome.FILTERED, None, False),
        (Outcome.FAILED, None, False),
    ],
)
def test_whatever_else_happens_is_told(outcome: Outcome, status: Status | None, good: bool) -> None:
    ledger = Ledger()
    record = None if status is None else _record(status)
    assert ledger.met("it", _delivery(outcome), record, Outcome.STARTED) is good
    assert bool(ledger.failed) is not good
    if not good:
        assert outcome.value in ledger.failed[0].found


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
