"""Who can reach the hub before anybody can sign in: only this machine."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from hub.assembly.exposure import is_loopback


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("", False),
        ("10.0.0.1", False), ("fe80::1", False), ("::ffff:8.8.8.8", False), ("no-such-host.invalid", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_reaches(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def hub(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub", *args], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )


def project(root: Path) -> Path:
    (root / "config").mkdir()
    (root / "executors").mkdir()
    (root / "config/hub.yaml").write_text("store: sqlite:///var/hub.db\n")
    return root


@pytest.mark.parametrize("how", ["option", "config"])
def test_it_does_not_listen_to_others_before_somebody_can_sign_in(quick_path: Path, how: str) -> None:
    root = project(quick_path)
    if how == "config":
        (root / "config/hub.yaml").write_text("server: {host: 0.0.0.0}\n")
    ran = hub(root, "serve", "--port", "0", *(["--host", "0.0.0.0"] if how == "option" else []))
    assert ran.returncode == 1
    assert "before somebody can sign in" in ran.stderr
    assert "hub person add NAME --role admin" in ran.stderr


def test_with_somebody_who_can_it_does_and_says_what_is_reachable(quick_path: Path) -> None:
    root = project(quick_path)
    assert hub(root, "person", "add", "ada", "--role", "admin").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "hub", "serve", "--host", "0.0.0.0", "--port", "0"],
        cwd=root,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr is not None
            lines = []
            for line in server.stderr:
                lines.append(json.loads(line))
                if "serving" in lines[-1]["message"]:
                    break
            told = [line["message"] for line in lines if line["level"] == "WARNING"]
            assert any("other machines can reach 0.0.0.0: 0 webhooks" in text for text in told)
            port = re.search(r":(\d+)$", lines[-1]["message"])
            assert port is not None
            with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/healthz", timeout=60) as answer:
                assert answer.read() == b"ok\n"
        finally:
            server.terminate()
            server.wait(60)


def test_keys_that_others_can_read_are_not_used(quick_path: Path) -> None:
    root = project(quick_path)
    (root / "config/hub.yaml").write_text("auth: {main-auth: {machine_users: {bot: {permissions: []}}}}\n")
    assert hub(root, "machine-user", "token", "bot").returncode == 0
    keys = root / "var/token.keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    keys.chmod(0o644)
    ran = hub(root, "serve", "--port", "0")
    assert ran.returncode == 1
    assert "chmod 600" in ran.stderr
