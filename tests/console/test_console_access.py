"""Who may see and do what in the console, what proves a form, and what every answer carries."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from console_site import HUB, PEOPLE, Site, secret_of, visit, words

from hub.console.every import ALL
from hub.console.headers import POLICY
from hub.console.page import PUBLIC, SIGNED_IN, Page
from hub.console.pages import home
from hub.console.proof import FIELD, form_proof
from hub.console.rendering import STATIC
from hub.model.identity import allows

#: What stands for the parts of paths, when nothing by that name needs to exist.
NAMES = {"{id:int}": "7", "{id}": "none", "{name}": "hook", "{token}": "hubin_none", "{namespace}": "main-auth"}


def path_of(page: Page) -> str:
    path = "/console" + page.path
    for part, name in NAMES.items():
        path = path.replace(part, name)
    assert "{" not in path, "the part has no name in this table"
    return path


def test_every_page_for_every_role(site_root: Path) -> None:
    """Nobody is sent to sign in, whoever has not the right is told so, and the others get an answer."""

    async def story(site: Site) -> None:
        for page in ALL:
            for who in (None, "gone", *PEOPLE):
                path = path_of(page)
                answer = await (site.get(path, who) if page.method == "GET" else site.post(path, who))
                cell = f"{page.method} {path} as {who}: {answer.status_code}"
                if page.action == PUBLIC:
                    assert answer.status_code < 500, cell
                elif who not in PEOPLE:
                    assert answer.status_code == 303, cell
                    assert answer.headers["location"].startswith("/console/sign-in"), cell
                elif page.action == SIGNED_IN or allows(PEOPLE[who], page.action, None):
                    assert answer.status_code in (200, 303, 404, 409, 422), cell
                else:
                    assert answer.status_code == 403, cell
                    assert "needs the permission" in words(answer), cell

    visit(site_root, story)


@pytest.mark.parametrize(
    "path", ["/console/nothing", "/console/static/nothing.js", "/consolex", "/console/static/../app.py"]
)
def test_what_there_is_not_is_not_there(site_root: Path, path: str) -> None:
    async def story(site: Site) -> None:
        assert (await site.get(path)).status_code == 404

    visit(site_root, story)


def test_every_answer_carries_the_headers(site_root: Path) -> None:
    async def story(site: Site) -> None:
        answers = [await site.get(path_of(page), who) for page in ALL for who in ("admin", "viewer", None)]
        answers += [await site.post(path_of(page), "admin") for page in ALL if page.method == "POST"]
        answers += [await site.get("/console/nothing"), await site.get("/console/static/console.css")]
        answers += [await site.get("/console/static/nothing"), await site.post("/console/events", "admin")]
        for answer in answers:
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in answer.headers
        style = re.search(r'href="(/console/static/console.css\?v=[^"]+)"', (await site.get("/console", "viewer")).text)
        assert style is not None
        assert "immutable" in (await site.get(style[1])).headers["cache-control"]

    visit(site_root, story)


def test_the_policy_lets_nothing_in() -> None:
    assert POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'"
    )


def test_no_page_has_inline_script_or_style(site_root: Path) -> None:
    async def story(site: Site) -> None:
        await site.run("stumbling", 1)
        await site.run("asking", 1)
        await site.parts.client.trigger_executor("hook", {"n": 5})
        for page in ALL:
            if page.method == "GET" and "/live" not in page.path:
                text = (await site.get(path_of(page))).text
                assert not re.search(r"<script(?![^>]* src=)", text), page.path
                assert not re.search(r"\s(?:style|on[a-z]+|hx-on[^=]*)=", text), page.path
                assert "javascript:" not in text, page.path

    visit(site_root, story)


FORGED = {
    "no proof": ({"origin": HUB, "cookie": "hub-session=hubse_admin"}, {}),
    "an empty proof": ({"origin": HUB, "cookie": "hub-session=hubse_admin"}, {FIELD: ""}),
    "another session's proof": (
        {"origin": HUB, "cookie": "hub-session=hubse_admin"},
        {FIELD: form_proof(secret_of("operator"))},
    ),
    "another site": (
        {"origin": "https://evil.example", "cookie": "hub-session=hubse_admin"},
        {FIELD: form_proof(secret_of("admin"))},
    ),
    "another port": (
        {"origin": "http://127.0.0.1:1", "cookie": "hub-session=hubse_admin"},
        {FIELD: form_proof(secret_of("admin"))},
    ),
    "no site": ({"origin": "null", "cookie": "hub-session=hubse_admin"}, {FIELD: form_proof(secret_of("admin"))}),
    "no origin": ({"cookie": "hub-session=hubse_admin"}, {FIELD: form_proof(secret_of("admin"))}),
    "no session": ({"origin": HUB}, {FIELD: form_proof(secret_of("admin"))}),
    "a session that has ended": (
        {"origin": HUB, "cookie": "hub-session=hubse_old"},
        {FIELD: form_proof(secret_of("old"))},
    ),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_form_changes_nothing(site_root: Path, how: str) -> None:
    async def story(site: Site) -> None:
        headers, fields = FORGED[how]
        answer = await site.send("/console/executors/hook/pause", headers, fields)
        assert answer.status_code in (303, 403)
        assert await site.parts.client.paused() == set()
        assert (await site.parts.client.audit_page()).items == []
        text = '{"form_proof": "' + form_proof(secret_of("admin")) + '"}'
        plain = await site._http.post(
            "/console/executors/hook/pause",
            headers={"cookie": "hub-session=hubse_admin", "origin": HUB, "content-type": "text/plain"},
            content=text,
        )
        assert plain.status_code == 403
        assert (await site.post("/console/executors/hook/pause")).status_code == 303, "the true one is taken"

    visit(site_root, story)


def test_looking_changes_nothing(site_root: Path) -> None:
    async def story(site: Site) -> None:
        failed = await site.run("stumbling", 1)
        before = (await site.parts.client.audit_page()).items
        for page in ALL:
            path = path_of(page).replace("none", failed)
            for method in ("GET", "HEAD") if page.method == "GET" else ("GET", "HEAD", "PUT", "DELETE"):
                answer = await site._http.request(method, path, headers={"cookie": "hub-session=hubse_admin"})
                assert answer.status_code < 500
                if page.method == "POST" and page.path not in {one.path for one in ALL if one.method == "GET"}:
                    assert answer.status_code in (404, 405), f"{method} {path}"
        assert (await site.parts.client.audit_page()).items == before

    visit(site_root, story)


def test_cookies_are_for_this_host_and_for_no_script(site_root: Path) -> None:
    async def story(site: Site) -> None:
        answer = await site.post("/console/executors/hook/pause")
        said = answer.headers["set-cookie"].lower()
        assert "httponly" in said
        assert "samesite=strict" in said
        assert "secure" not in said
        behind_tls = Site(site.parts, "https://hub.example.com")
        answer = await behind_tls.send(
            "/console/executors/hook/resume",
            {"cookie": "__Host-hub-session=hubse_admin", "origin": "https://hub.example.com"},
            {FIELD: form_proof(secret_of("admin"))},
        )
        assert answer.status_code == 303
        assert "secure" in answer.headers["set-cookie"].lower()
        plain = await behind_tls.get("/console", "admin")
        assert plain.status_code == 303, "a cookie without the prefix is no session where there is https"

    visit(site_root, story)


def test_a_fault_is_an_id_for_the_reader_and_in_the_log(site_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_visit: object) -> object:
        raise RuntimeError("/etc/passwd SELECT hubse_secret")

    async def story(site: Site) -> None:
        import httpx

        from hub.console.app import create_console

        page = Page("/broken", "event:read", broken)  # type: ignore[arg-type]  # it never answers
        app = create_console(site.installation, (*home.PAGES, page))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HUB) as http:
            answer = await http.get("/console/broken", headers={"cookie": "hub-session=hubse_admin"})
        assert answer.status_code == 500
        assert "RuntimeError" not in answer.text
        assert "SELECT" not in answer.text
        (identifier,) = re.findall(r"[0-9A-Z]{26}", answer.text)
        assert identifier in caplog.text

    visit(site_root, story)


def test_a_page_that_names_no_action_is_not_made() -> None:
    for action in ("", "event:rea", "admin", "everything:read"):
        with pytest.raises(ValueError, match="names no action"):
            Page("/x", action, home.home)


def test_a_form_that_is_too_large_is_refused(site_root: Path) -> None:
    async def story(site: Site) -> None:
        answer = await site.post("/console/executors/hook/trigger", data="[" + "1," * 1_000_000 + "1]")
        assert answer.status_code in (400, 413)
        assert (await site.parts.client.events_page()).items == []

    visit(site_root, story)


def test_nothing_that_was_stored_becomes_markup(site_root: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`${alert(3)}\x1b]52;c;x\x07\u202e"

    async def story(site: Site) -> None:
        failed = await site.run("stumbling", {evil: [evil]})
        asking = await site.run("asking", evil)
        event = await site.parts.client.trigger_executor("hook", {evil: evil, "n": 5}, {"x-evil": evil})
        paths = [
            "/console",
            f"/console/executions/{failed}",
            f"/console/executions/{failed}?job=stumble",
            f"/console/executions/{failed}/live",
            f"/console/executions/{asking}",
            "/console/wait-points",
            f"/console/events/{event.id}",
            f"/console/events/{event.id}?tab=headers",
            "/console/executions?status=FAILED",
            f"/console/search?q={evil.encode().hex()}%3Cscript%3E",
            "/console/events?where=%3Cscript%3Ealert(1)%3C/script%3E%22onload=1",
        ]
        for path in paths:
            text = (await site.get(path)).text
            assert "<script>alert" not in text, path
            assert "<img" not in text, path
            assert "\x1b" not in text, path
            assert "\u202e" not in text, path

    visit(site_root, story)


def test_what_is_not_ours_is_what_it_is_said_to_be() -> None:
    listed = re.findall(r"\| `([^`]+)` \| `[^`]+` \| `([0-9a-f]{64})` \|", (STATIC / "VENDORED.md").read_text())
    assert len(listed) == 2
    for name, digest in listed:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest
