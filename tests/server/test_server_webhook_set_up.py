"""A real server, and a sender that is being set up: what it asks first is answered, and what is wrong is said where somebody looks."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hub_process import Hub, Project, Zygote, until
from server_projects import lay_out, noted, put_executor

TOKEN = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"
JSON = {"content-type": "application/json"}


@pytest.fixture
def project(quick_path: Path, zygote: Zygote) -> Project:
    made = Project(quick_path, zygote, {"NOTION": TOKEN})
    lay_out(made, pages={"trigger": {"webhook": {"verify": {"preset": "notion"}}}})
    return made


def brings(hub: Hub, token: str) -> None:
    """Notion's first request, until its token has been written down: one a second is."""
    kept = hub.project.folder / "var" / "pages.first-tokens"
    body = json.dumps({"verification_token": token}).encode()

    def came() -> bool:
        assert hub.post("/webhooks/pages", content=body, headers=JSON).status_code == 200
        return kept.exists() and kept.read_text().split()[-1] == token

    until(came, why="the token was not kept")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_notion_brings_its_own_secret_which_only_a_file_holds(project: Project) -> None:
    event = b'{"id": "1", "type": "page.created"}'
    signed = JSON | {"x-notion-signature": "sha256=" + hmac.new(TOKEN.encode(), event, hashlib.sha256).hexdigest()}
    with project.serving() as hub:
        brings(hub, "made-up-by-a-stranger")
        brings(hub, TOKEN)
        assert hub.post("/webhooks/pages", content=event, headers=signed).status_code == 401
        assert any("pages.first-tokens" in message for message in hub.messages())
        assert TOKEN not in hub.log
    put_executor(
        project, "pages", {"trigger": {"webhook": {"verify": {"preset": "notion", "secret": "${secret:NOTION}"}}}}
    )
    with project.serving() as hub:
        assert hub.post("/webhooks/pages", content=event, headers=signed).status_code == 202
        until(lambda: len(noted(project)) == 1, why="it runs")
        late = json.dumps({"verification_token": "of-a-stranger"}).encode()
        assert hub.post("/webhooks/pages", content=late, headers=JSON).status_code == 401


def test_a_content_type_that_is_not_taken_is_shown_with_those_that_are(project: Project) -> None:
    with project.serving() as hub:
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert hub.post("/webhooks/pages", content=b"a=1", headers=form).status_code == 415
        until(lambda: project.store("SELECT count(*) FROM refused") == [(1,)], why="it was not kept")
        (one,) = project.run("webhook", "rejected", "pages", "--json").json
        assert (one["step"], one["whole"]) == ("head", False)
        assert "is application/x-www-form-urlencoded, and what is taken is application/json" in one["reason"]
        asked = project.run("webhook", "verify", str(one["id"]))
        assert (asked.code, "its body was not read, so it cannot be checked" in asked.out) == (1, True)
