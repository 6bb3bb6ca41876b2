"""Secrets of every look, led through every way in which a real server could show one: nothing that it says or keeps holds them."""

from __future__ import annotations

import base64
import html
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hub_process import Hub, Project, until
from server_projects import lay_out

#: Name -> value; the first characters tell one from another in a failure.
CANARIES = {
    "PLAIN": "canary-plain-horse-battery-staple",
    "SPACES": "canary with spaces & signs = + / ?",
    "QUOTES": "canary\"quoted\\and'backslashed",
    "ACCENTS": "canary-línea-ünïcode-密码",
    "LINES": "canary-one\ncanary-two",
    "URL": "postgres://canary:p%40ss/w+rd@db/x?y=1",
    "TAGS": "<canary>alert('x')</canary>",
    "HEX": "ca9a41e5" * 8,
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.canary-_canary",
    "BRACES": "${{ canary }}${env:CANARY}",
    "STRIPE": "sk_live_canary51HqX9jKzLmNoPqRsTuVwXyZ",
    "GITHUB": "ghp_16C7e42F292c6912E7710c838347Ae178canary",
    "AMAZON": "AKIACANARY/wJalrXUtnFEMI/K7MDENG+bPxRfiCY",
    "PEM": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBcanaryADANBg\n-----END PRIVATE KEY-----\n",
    "JSON": '{"type": "service_account", "canary": [1, "two"]}',
    "BCRYPT": "$2b$12$canaryabcdefghijklmnopqrstuv",
    "QUERY": "canary=b&c=d;e f+g%25%32",
    "ESCAPES": "\x1b[31mcanary\x1b[0m\ttab",
    "STARS": "********canary-nearly-hidden",
    "WIDE": "canary-🔑-" + "x" * 500,
}
HEADER, HOOK = "canary-header-5f2a9c0d7b", "canary-hook-secret-of-github-77aa"
#: In the process's environment, and not in the file.
FROM_OUTSIDE = "canary-from-the-environment-90210"
SENT = "canary-cookie-of-a-sender-31415926"

WORKFLOWS = """
NAMES = {names}


@job
async def spill(input, ctx: Context):
    value = ctx.secret(input["name"])
    ctx.log.info("logged %s", value)
    ctx.log.error("%r", {{"key": value}})
    print("printed nothing")
    match input["how"]:
        case "raise":
            raise RuntimeError(f"wrong key {{value}}: {{[value]!r}}")
        case "cause":
            try:
                raise ValueError(value)
            except ValueError as error:
                raise RuntimeError("it failed") from error
        case "result":
            return {{"key": value}}
        case "argument":
            return await keep.trigger({{"key": value}})
        case "question":
            return await ask.wait({{"key": value}})
        case "start":
            return await trigger_workflow("echoing", {{"key": value}})
        case "step":
            return await ctx.step.run("told", lambda: value)
        case "retry":
            raise OSError(value)


@job
async def keep(input, ctx: Context):
    return input


ask = wait_point("asking")
spilling = workflow("spilling", spill, retry_policy=RetryPolicy(max_retries=1, initial_backoff="10ms", max_backoff="10ms"))
"""
HOWS = ["raise", "cause", "result", "argument", "question", "start", "step", "retry"]


class Echo(BaseHTTPRequestHandler):
    """Sends back what it was sent, as some servers do, with an error status."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        answer = json.dumps({"sent": dict(self.headers), "body": body.decode()}).encode()
        self.send_response(200 if self.path.startswith("/fine") else 500)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def forms(secret: str) -> set[str]:
    raw = secret.encode()
    inner = base64.b64encode(raw).decode().rstrip("=")
    return {
        secret,
        json.dumps(secret)[1:-1],
        quote(secret),
        quote_plus(secret),
        quote(secret, safe=""),
        inner[:-1],
        repr(secret)[1:-1],
        repr(raw)[2:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        html.escape(secret),
    }


def lay_out_canaries(project: Project, echo: str) -> None:
    http = {
        "url": f"{echo}/fails/${{secret:PATH_KEY}}",
        "headers": {"authorization": "Bearer ${secret:HEADER}", "x-outside": "${secret:FROM_OUTSIDE}"},
        "body": {"k": "${secret:PLAIN}"},
    }
    lay_out(
        project,
        "from hub import wait_point, trigger_workflow\n" + WORKFLOWS.format(names=list(CANARIES)),
        github={"trigger": {"webhook": {"verify": {"preset": "github", "secret": "${secret:HOOK}"}}}},
        call={"trigger": {"webhook": {}}, "target": {"http": http}},
        fine={"trigger": {"webhook": {}}, "target": {"http": {**http, "url": f"{echo}/fine"}}},
        wrong={"trigger": {"webhook": {}, "condition": "args.body.missing.key"}},
    )
    config = (project.folder / "config/hub.yaml").read_text()
    config = config.replace('"database:write:shop"]', '"database:write:shop", "secret:read:*"]')
    config = config.replace("      visitor:", "      watcher: {permissions: [admin]}\n      visitor:")
    project.write("config/hub.yaml", config + "outgoing: {allow: [127.0.0.0/8]}\n")
    values = {**CANARIES, "HEADER": HEADER, "HOOK": HOOK, "PATH_KEY": "canary-in-a-path-0f0f0f"}
    project.write(
        "config/secrets.yaml",
        "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()),
    )
    (project.folder / "config/secrets.yaml").chmod(0o600)


def watcher(project: Project) -> dict[str, str]:
    """The head of somebody who may see everything."""
    return {"authorization": f"Bearer {project.run('machine-user', 'token', 'watcher').out.strip()}"}


def spill_everything(project: Project, hub: Hub) -> None:
    """Every secret in one way each, and one secret in every way; calls, refused deliveries, events that fail."""
    pairs = [("PLAIN", how) for how in HOWS] + [(name, HOWS[n % 4]) for n, name in enumerate(CANARIES)]
    head = watcher(project)
    for name, how in pairs:
        asked = {"args": {"name": name, "how": how}, "invoker": "workflow-bot"}
        started = httpx.post(f"{hub.url}/api/v1/workflows/spilling/executions", json=asked, headers=head, timeout=60)
        assert started.status_code == 201, started.text
    for executor in ("call", "fine", "wrong"):
        answer = hub.post(
            project.webhook_path(executor),
            json={"n": 1},
            headers={"cookie": SENT, "authorization": f"Bearer {SENT}", "x-api-token": SENT},
        )
        assert answer.status_code == 202, executor
    forged = {"x-hub-signature-256": "sha256=" + "0" * 64, "cookie": SENT, "x-github-event": "push"}
    assert hub.post("/webhooks/github", json={}, headers=forged).status_code == 401
    ended = "SELECT count(*) FROM executions WHERE status IN ('SUCCESS', 'FAILED')"
    until(lambda: project.store(ended)[0][0] >= len(pairs) + 2)
    until(lambda: project.outcomes("wrong"))


def told(project: Project, hub: Hub) -> Iterator[tuple[str, str]]:
    """Everything that a person or a program can read of it."""
    yield "log", hub.log
    yield "what it prints", hub.out.replace(_ADDRESS.findall(hub.out)[0], "")
    for words in (
        ["workflow", "changed"], ["node", "list"], ["person", "list"], ["verify"], ["audit", "verify"], ["db", "status", "shop"],
        ["schedule", "next", "call"], ["webhook", "verify", "1"], ["workflow", "get", "spilling"], ["executor", "get", "call"],
        ["workflow", "executions"], ["event", "list"], ["executor", "list"], ["audit", "list"], ["wait-point", "list"],
        ["webhook", "rejected"], ["machine-user", "list"], ["check"], ["plan"], ["executor", "jobs", "call"],
    ):  # fmt: skip
        ran = project.run(*words)
        yield f"hub {' '.join(words)}", ran.out + ran.err
    head = watcher(project)
    paths = [
        f"/api/v1/executions/{one}{more}"
        for (one,) in project.store("SELECT id FROM executions")
        for more in ("", "/logs")
    ]
    paths += [f"/api/v1/events/{one}" for (one,) in project.store("SELECT id FROM events")]
    for path in (
        *paths,
        "/api/v1/executions",
        "/api/v1/events",
        "/api/v1/audit",
        "/metrics",
        "/openapi.json",
        "/readyz",
    ):
        answer = httpx.get(f"{hub.url}{path}", headers=head, timeout=60)
        assert answer.status_code == 200, (path, answer.text)
        yield path, answer.text + repr(answer.headers)
    yield from console(hub)
    (last,) = project.store("SELECT max(id) FROM executions")[0]
    ran = project.run("workflow", "executions", last, "-l")
    yield "hub workflow executions ID -l", ran.out + ran.err
    with closing(sqlite3.connect(project.folder / "var/hub.db")) as store:
        yield "the store", "\n".join(store.iterdump())
    for pid in [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]:
        try:
            line = (pid / "cmdline").read_bytes()
            mine = str(project.folder).encode() in line + str((pid / "cwd").readlink()).encode()
        except OSError:
            continue
        if mine:
            yield f"process {pid.name}", line.replace(b"\0", b" ").decode("utf-8", "replace")
    for child in children(hub.process.pid):
        with suppress(OSError):  # it has ended
            yield f"environment of {child}", (Path("/proc") / child / "environ").read_bytes().decode("utf-8", "replace")


_ADDRESS = re.compile(r"http://\S+/console/claim/[\w-]+")


def console(hub: Hub) -> Iterator[tuple[str, str]]:
    """Every page that an admin comes to by following links."""
    with httpx.Client(base_url=hub.url, headers={"origin": hub.url}, follow_redirects=True, timeout=60) as browser:
        address = _ADDRESS.findall(hub.out)[-1]
        (proof,) = set(re.findall(r'name="form_proof" value="([^"]+)"', browser.get(address).text))
        asked = {"form_proof": proof, "name": "ada", "password": "quite-a-long-password"}
        assert browser.post(address, data=asked).url.path == "/console"
        waiting, seen = ["/console"], {"/console"}
        while waiting and len(seen) < _MOST_PAGES:
            path = waiting.pop(0)
            answer = browser.get(path)
            assert answer.status_code == 200, path
            yield path, answer.text + repr(answer.headers)
            found = [html.unescape(link) for link in re.findall(r'(?:href|hx-get)="(/console[^"#]*)', answer.text)]
            new = sorted({link for link in found if "/static/" not in link and "live" not in link} - seen)
            seen |= set(new)
            waiting += new
        assert len(seen) > _FEWEST_PAGES, seen


_FEWEST_PAGES, _MOST_PAGES = 40, 150


def children(pid: int) -> list[str]:
    """Processes that a process has started, and theirs."""
    found: list[str] = []
    with suppress(OSError):  # a thread or a child has ended
        for task in (Path("/proc") / str(pid) / "task").iterdir():
            for child in (task / "children").read_text().split():
                found += [child, *children(int(child))]
    return found


def test_nothing_that_is_told_or_kept_holds_a_secret(project: Project, echo: str) -> None:
    lay_out_canaries(project, echo)
    project.env["FROM_OUTSIDE"] = FROM_OUTSIDE
    with project.serving() as hub:
        spill_everything(project, hub)
        everything = list(told(project, hub))
    assert sum("********" in text for _, text in everything) > 10, "they were there to be hidden"
    assert any(where.startswith("environment of") for where, _ in everything), "expressions are evaluated in a child"
    secrets = {
        "FROM_OUTSIDE": FROM_OUTSIDE,
        **CANARIES,
        "HEADER": HEADER,
        "HOOK": HOOK,
        "SENT": SENT,
        "PATH_KEY": "canary-in-a-path-0f0f0f",
    }
    found = [
        (where, name, text[max(0, text.index(form) - 120) : text.index(form) + 60])
        for where, text in everything
        for name, secret in secrets.items()
        for form in forms(secret)
        if form in text
    ]
    assert found == []
