"""Hostile texts in every field that somebody else can fill, and every page crawled in a real browser: they stay texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from browsing import Watched, at_the_console
from hostile_texts import HOSTILE
from hub_process import Hub, Project, until
from playwright.sync_api import Page
from server_projects import lay_out, start

WORKFLOWS = """
from hub import wait_point

approval = wait_point("approval")


@job
async def inner(input, ctx: Context):
    for text in input["texts"]:
        ctx.log.warning(text)
    return input["texts"]


@job
async def outer(input, ctx: Context):
    await inner.trigger(input)
    if input["ask"]:
        return await approval.wait({text: text for text in input["texts"]})
    raise type("Evil<x-evil>", (Exception,), {})("".join(input["texts"]))


evil = workflow("evil", outer)
"""

#: Elements and attributes that only a hostile text can have made, and what such a text may have done.
_LOOK = """() => [
  ...[...document.querySelectorAll("x-evil, [x-evil], [onerror], [onload], iframe, object, embed, base, main style")].map((one) => one.outerHTML),
  ...[...document.querySelectorAll("main script, main link, main meta, main a[href^='javascript:'], main [style]")].map((one) => one.outerHTML),
  ...[...document.querySelectorAll("a[href]")].filter((one) => one.origin !== location.origin).map((one) => one.outerHTML),
]"""


@pytest.fixture
def hostile_hub(project: Project) -> Iterator[Hub]:
    hook = {
        "description": "".join(HOSTILE[:40]),
        "trigger": {"webhook": {"verify": {"preset": "none"}}},
        "target": start("evil", "({texts: args.body.texts, ask: args.body.ask})"),
    }
    filtered = {
        "description": "<x-evil>",
        "trigger": {"webhook": {"source": "hook"}, "condition": f"args.body === {json.dumps(HOSTILE[0])}"},
    }
    throwing = {
        "trigger": {
            "webhook": {"source": "hook"},
            "condition": f"(() => {{ throw Error({json.dumps(HOSTILE[5])}) }})()",
        },
    }
    signed = {"trigger": {"webhook": {"verify": {"preset": "github", "secret": "x" * 32}}}}
    lay_out(project, WORKFLOWS, hook=hook, filtered=filtered, throwing=throwing, signed=signed)
    with project.serving() as hub:
        yield hub


def fill(project: Project, hub: Hub) -> None:
    """Every hostile text as value and key of a body, header, query, log line, error, result, path and question."""
    for begin in range(0, len(HOSTILE), 20):
        texts = HOSTILE[begin : begin + 20]
        headers = {f"x-text-{place}": "".join(c for c in text if " " <= c < "\x7f") for place, text in enumerate(texts)}
        for ask in (True, False):
            body = {"texts": texts, "ask": ask, **dict.fromkeys(texts, texts)}
            answer = hub.post("/webhooks/hook", json=body, headers=headers, params={texts[0]: texts[1]})
            assert answer.status_code == 202, answer.text
    for text in HOSTILE[:20]:
        hub.post(
            "/webhooks/signed",
            content=text.encode(),
            headers={"content-type": "application/json", "x-github-event": "x"},
        )
    ended = [("FAILED",)] * (len(HOSTILE) // 20) + [("WAITING",)] * (len(HOSTILE) // 20)
    until(lambda: project.store("SELECT status FROM executions ORDER BY status") == ended)


def crawl(page: Page, watched: Watched, of_a_kind: int) -> dict[str, int]:
    """Every page that a link leads to, a few of each kind: events differ in what they hold, not in how they are shown."""
    seen: dict[str, int] = {}
    found: set[str] = set()
    waiting = ["/console"]
    while waiting:
        path = waiting.pop()
        page.goto(path)
        assert page.evaluate(_LOOK) == [], path
        watched.look(page)
        for row in page.locator("a.row[hx-get]").all()[:4]:
            row.click()
        assert page.evaluate(_LOOK) == [], path
        for href in page.evaluate("[...document.links].map((one) => one.pathname + one.search)"):
            parts = urlsplit(href)
            kind = "/".join(part if part.islower() or "-" in part else "ID" for part in parts.path.split("/"))
            asked = [one if one.startswith("tab=") else one.partition("=")[0] for one in parts.query.split("&")]
            kind += "?" + ",".join(sorted(asked))
            if href not in found and seen.get(kind, 0) < of_a_kind and href.startswith("/console"):
                found.add(href)
                seen[kind] = seen.get(kind, 0) + 1
                waiting.append(href)
    return seen


@pytest.mark.parametrize("of_a_kind", [2, pytest.param(15, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_hostile_texts_stay_texts_on_every_page(project: Project, hostile_hub: Hub, of_a_kind: int) -> None:
    assert len(set(HOSTILE)) == 200
    fill(project, hostile_hub)
    with at_the_console(hostile_hub) as (page, watched):
        seen = crawl(page, watched, of_a_kind)
        for kind in (
            "events/ID?",
            "executions/ID?",
            "executions/ID?job",
            "refused",
            "executors/hook?tab=preview",
            "executors/hook?tab=test",
            "events/ID?tab=headers",
            "console/events?follow",
        ):
            assert any(kind in one for one in seen), (kind, seen)
        page.goto("/console/executors/throwing?tab=preview")
        page.get_by_label("Or what might come").fill(json.dumps({text: text for text in HOSTILE}))
        page.get_by_role("button", name="Preview this").click()
        page.get_by_label("what it would be").get_by_text("condition, line 1").first.wait_for()
        assert page.evaluate(_LOOK) == []
        page.goto("/console/search?q=" + "%3Cx-evil%3E%22%27")
        assert page.evaluate(_LOOK) == []
        page.goto("/console/events?where=%3Cx-evil%3E%22%27&executor=%3Cx-evil%3E")
        assert page.evaluate(_LOOK) == []


def test_the_crawl_would_notice(project: Project, hostile_hub: Hub) -> None:
    with at_the_console(hostile_hub) as (page, watched):
        page.evaluate("document.querySelector('main').setAttribute('x-evil', '')")
        assert page.evaluate(_LOOK) != []
        page.evaluate("try { document.body.innerHTML = '<img src=x onerror=alert(1)>' } catch (error) { error.name }")
        page.evaluate("document.head.append(Object.assign(document.createElement('script'), {async: true}))")
        page.evaluate(
            "document.head.append(Object.assign(document.createElement('img'), {src: 'https://evil.example/x.png'}))"
        )
        page.wait_for_function("window.violations.length > 1")
        watched.look(page)
        assert any("require-trusted-types-for" in one for one in watched.found)
        assert any("img-src" in one for one in watched.found)
        watched.found.clear()
        page.evaluate("window.violations.length = 0")
