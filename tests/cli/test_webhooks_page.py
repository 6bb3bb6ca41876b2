"""The steps of docs/webhooks.md are true: they are done as they stand there, in a new project with a server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import Serving, environment, serving, shell

PAGE = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
_, _, STEPS = PAGE.partition("## From GitHub, step by step")
STEPS, _, _ = STEPS.partition("\n## ")


def _snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", STEPS, re.MULTILINE | re.DOTALL)


def _bash(script: str, root: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=root, env=environment(PATH=path), check=True, timeout=120
    )


def _outcomes(root: Path, name: str) -> list[tuple[str, str]]:
    return [(one["outcome"], one["reason"]) for one in shell("executor", "jobs", name, "--json", cwd=root).json]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the steps send with curl")
@pytest.mark.timeout(300)  # some ten processes, one after the other
def test_a_newcomer_who_does_as_it_says_receives_what_github_and_stripe_send(quick_path: Path) -> None:
    root = quick_path / "mine"
    assert shell("init", str(root), cwd=quick_path).status == 0
    secret, trial = _snippets("sh")
    for text in _snippets("yaml"):
        place = re.match(r"# (executors/\S+\.yaml)\n", text)
        assert place is not None
        (root / place[1]).write_text(text)
    _bash(secret, root)
    checked = shell("check", cwd=root)
    assert "there is no secret STRIPE_WEBHOOK" in checked.out
    assert "there is no secret GITHUB_WEBHOOK" not in checked.out
    with serving(root) as server:
        assert _status(server, "stripe-paid") == "503"
        _bash(trial, root)
        _bash(trial, root)
        (again, _), (first, _) = _outcomes(root, "github-push")
        assert (first, again) == ("started", "duplicate")
        _bash("echo '{}' > ping.json; hub webhook sign github-push -d ping.json --event ping | sh", root)
        assert _outcomes(root, "github-push")[0] == ("filtered", 'the event "ping" is not among push.')
        assert _status(server, "github-push") == "401"
        assert _status(server, "github") == "404"


def _status(server: Serving, name: str) -> str:
    sent = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-d", "{}", f"{server.address}/webhooks/{name}"]
    return subprocess.run(sent, capture_output=True, text=True, check=True, timeout=60).stdout
