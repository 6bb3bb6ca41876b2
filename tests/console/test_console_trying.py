"""Trying an executor: previews that leave no trace, signed requests that pass every step, and who may do which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from console_site import TARGET, Site, make_project, visit, words

from hub.console.showing.pointing import pointed
from hub.model.errors import ExpressionError

SECRET = "0123456789abcdef" * 2
SIGNED = f"""\
name: signed
trigger:
  webhook:
    verify: {{preset: github, secret: [{SECRET}]}}
    events: [push]
    schema: {{type: object, required: [n]}}
  condition: args.body.n > 1
{TARGET}
"""
BROKEN = f"name: broken\ntrigger:\n  webhook: {{}}\n  condition: |-\n    true &&\n      args.body.a.b\n{TARGET}\n"


@pytest.fixture
def trying_root(quick_path: Path) -> Path:
    return make_project(quick_path, signed=SIGNED, broken=BROKEN)


def test_a_stored_event_is_previewed_with_the_file_as_it_is(trying_root: Path) -> None:
    async def story(site: Site) -> None:
        first = await site.parts.client.trigger_executor("signed", {"n": 1})
        await site.parts.client.trigger_executor("signed", {"n": 5})
        before = (await site.parts.client.audit_page()).items
        latest = words(await site.get("/console/executors/signed?tab=preview"))
        assert "it would start greeting." in latest
        asked = words(await site.get(f"/console/executors/signed?tab=preview&event={first.id}"))
        assert "the condition args.body.n &gt; 1 was not met" in asked
        assert "begins at executors/signed.yaml:7:14" in asked
        assert (await site.get("/console/executors/signed?tab=preview&event=none")).status_code == 404
        assert (await site.parts.client.audit_page()).items == before
        assert len((await site.parts.client.executions_page()).items) == 1

    visit(trying_root, story)


def test_a_pasted_sample_is_previewed_and_stored_nowhere(trying_root: Path) -> None:
    async def story(site: Site) -> None:
        page = await site.post("/console/executors/signed/preview", "viewer", data='{"n": 7, "said": "<x>"}')
        assert page.status_code == 200
        assert "it would start greeting." in words(page)
        assert "&lt;x&gt;" in page.text
        assert (await site.parts.client.events_page()).items == []
        assert (await site.post("/console/executors/signed/preview", data="{")).status_code == 422

    visit(trying_root, story)


def test_what_a_condition_threw_at_has_not_matched(trying_root: Path) -> None:
    async def story(site: Site) -> None:
        for name, body in [("broken", {}), ("signed", {"n": 1}), ("signed", {"n": 2})]:
            await site.parts.client.trigger_executor(name, body)
        assert (await site.parts.client.funnel("broken")).matched == 0
        assert (await site.parts.client.funnel("signed")).matched == 1
        assert "1 seen 1 verified 0 matched 1 failed" in words(await site.get("/console/executors/broken"))

    visit(trying_root, story)


def test_an_error_is_drawn_at_its_place(trying_root: Path) -> None:
    async def story(site: Site) -> None:
        page = await site.post("/console/executors/broken/preview", data="{}")
        assert "TypeError" in page.text
        assert "condition, line 2" in page.text
        assert re.search(r"<pre>true &amp;&amp;\n  args\.body\.a\.b\n *\^</pre>", page.text)

    visit(trying_root, story)


@pytest.mark.parametrize(
    ("line", "column", "drawn"),
    [(2, 4, "one\n\tabc\n\t  ^\nthree"), (None, None, "one\n\tabc\nthree"), (9, 1, "one\n\tabc\nthree")],
)
def test_the_caret_stands_below_what_it_means(line: int | None, column: int | None, drawn: str) -> None:
    assert pointed("one\n\tabc\nthree", ExpressionError("wrong", line=line, column=column)) == drawn


def test_a_signed_request_passes_every_step_and_is_told_of(trying_root: Path) -> None:
    async def story(site: Site) -> None:
        page = await site.get("/console/executors/signed?tab=test")
        assert 'value="push"' in page.text
        assert SECRET not in page.text
        answer = await site.post("/console/executors/signed/send", data='{"n": 5}', event="push")
        assert answer.status_code == 303
        shown = await site.get(answer.headers["location"])
        for said in (
            "the header x-hub-signature-256 was there",
            "hmac sha256 in hex over {body} holds, with secret number 1 of 1",
            "the body has the shape that the file asks for",
            "the sender&#39;s id, from the header x-github-delivery",
            "started",
        ):
            assert said in words(shown), said
        assert SECRET not in shown.text
        records = (await site.parts.client.audit_page()).items
        assert [(one.who, one.action) for one in records] == [("person:ada", "executor:trigger")]

    visit(trying_root, story)


def test_what_does_not_pass_is_told_by_its_step_and_recorded(trying_root: Path) -> None:
    async def story(site: Site) -> None:
        for body, step in [('{"m": 1}', "schema"), ("{", "body")]:
            answer = await site.post("/console/executors/signed/send", data=body)
            assert answer.status_code == 409
            assert f"it was not taken: {step}:" in words(answer)
        assert (await site.post("/console/executors/nightly/send", data="{}")).status_code == 422
        assert (await site.post("/console/executors/signed/send", "viewer", data="{}")).status_code == 403
        assert (await site.parts.client.events_page()).items == []
        assert len((await site.parts.client.audit_page()).items) == 3

    visit(trying_root, story)
