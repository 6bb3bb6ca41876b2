"""The pages: what they say about real events and executions, and what their buttons do."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from console_site import Site, visit, words

from hub.model.errors import Unauthenticated
from hub.model.event import Outcome
from hub.model.execution import Status
from hub.model.schedule import Slot
from hub.store.refused import RefusedDelivery


def test_an_empty_hub_says_how_to_begin(site_root: Path) -> None:
    async def story(site: Site) -> None:
        assert "Nothing needs you." in words(await site.get("/console"))
        for path, said in [
            ("/console/events", "Nothing has been noticed yet"),
            ("/console/executions", "hub workflow start asking"),
            ("/console/executors", "hook"),
            ("/console/schedules", "No schedule is set up"),
            ("/console/wait-points", "Nobody is asked anything now"),
            ("/console/machine-users", "workflow:start:*"),
            ("/console/audit", "Nobody has changed anything yet"),
        ]:
            page = await site.get(path)
            assert page.status_code == 200
            assert said in words(page), path

    visit(site_root, story)


def test_home_tells_what_needs_attention_and_how_to_help(site_root: Path) -> None:
    async def story(site: Site) -> None:
        failed = await site.run("stumbling", {"n": 1})
        await site.run("asking", {"n": 1})
        site.troubles.append("database shop: it cannot be opened")
        site.lateness |= {"webhook": 0.0021, "record": 1.5}
        page = await site.get("/console")
        said = words(page)
        assert "stumbling failed once since" in said
        assert "last: not today: {'n': 1}" in said.replace("&#39;", "'")
        assert "approval: an answer is awaited by asking" in said
        assert said.count("database shop: it cannot be opened") == 2
        assert "the latest delivery was durable after 2 ms" in said
        assert "the latest row was an event after 1.5 s" in said
        assert f'action="/console/executions/{failed}/resume"' in page.text
        second = await site.run("stumbling", {"n": 2})
        page = await site.get("/console")
        assert "stumbling failed twice since" in words(page)
        assert "Resume 2" in words(page)
        hidden = re.search(r'action="/console/executions/many">(.*?)</form>', page.text)
        assert hidden is not None
        assert set(re.findall(r'name="id" value="([^"]+)"', hidden[1])) == {failed, second}

    visit(site_root, story)


def test_an_event_tells_why_it_started_nothing_and_is_replayed(site_root: Path) -> None:
    async def story(site: Site) -> None:
        event = await site.parts.client.trigger_executor("hook", {"n": 1, "note": "hello"})
        listed = words(await site.get("/console/events"))
        assert "filtered" in listed
        page = words(await site.get(f"/console/events/{event.id}"))
        assert "the condition args.body.n &gt; 1 was not met" in page
        assert "condition args.body.n &gt; 1 gave false" in page
        assert '"hello"' in page.replace("&#34;", '"')
        for query, found in [("where=body.n%3D1", True), ("where=body.n%3D2", False), ("outcome=started", False)]:
            assert (event.id in (await site.get(f"/console/events?{query}")).text) is found
        answer = await site.post(f"/console/events/{event.id}/replay")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/events/{event.id}")
        said = await site.get(f"/console/events/{event.id}", cookie=f"hub-session=hubse_admin; {_said(answer)}")
        assert "Replayed. hook: filtered." in words(said)
        assert len((await site.parts.client.event(event.id))[1]) == 2

    visit(site_root, story)


def test_whoever_asks_for_a_change_while_the_store_is_held_is_told_that_it_may_be_done(
    site_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(site: Site) -> None:
        event = await site.parts.client.trigger_executor("hook", {"n": 1})
        with closing(sqlite3.connect(site_root / "var/hub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with monkeypatch.context() as patch:
                patch.setattr("hub.console.app.PATIENCE", 0.3)
                answer = await site.post(f"/console/events/{event.id}/replay")
            other.execute("ROLLBACK")
        assert answer.status_code == 503
        assert "may have been done, or be done yet. Look before you try again" in words(answer)

    visit(site_root, story)


def test_an_execution_shows_its_jobs_errors_and_logs_and_is_resumed(site_root: Path) -> None:
    async def story(site: Site) -> None:
        failed = await site.run("stumbling", {"n": 1})
        page = words(await site.get(f"/console/executions/{failed}"))
        assert "RuntimeError" in page
        assert "greeting" in page
        job = await site.get(f"/console/executions/{failed}/job?path=stumble/greet", **{"hx-request": "true"})
        assert "<html" not in job.text
        assert "stumble/greet" in words(job)
        whole = await site.get(f"/console/executions/{failed}?job=stumble/greet")
        assert "stumble/greet" in words(whole)
        assert "<html" in whole.text
        missing = await site.get(f"/console/executions/{failed}?job=stumble/gret")
        assert missing.status_code == 404
        assert "stumble/greet" in words(missing), "the closest one is named"
        answer = await site.post(f"/console/executions/{failed}/resume")
        assert answer.status_code == 303
        assert (await site.parts.client.execution(failed)).status is Status.PENDING_RESUME
        refused = await site.post(f"/console/executions/{failed}/resume")
        assert refused.status_code == 409
        assert "PENDING_RESUME" in words(refused)
        await site.work()
        assert words(await site.get(f"/console/executions/{failed}")).count(" kept ") == 1, "greet had its result"
        await site.post(f"/console/executions/{failed}/resume")
        await site.post(f"/console/executions/{failed}/cancel")
        assert (await site.parts.client.execution(failed)).status is Status.CANCELED

    visit(site_root, story)


def test_many_are_resumed_at_once(site_root: Path) -> None:
    async def story(site: Site) -> None:
        ids = [await site.run("stumbling", {"n": number}) for number in range(3)]
        page = await site.get("/console/executions?status=FAILED")
        assert "Resume these 3" in words(page)
        answer = await site.post("/console/executions/many", act="resume", id=[*ids, "none"], status="FAILED")
        assert answer.headers["location"] == "/console/executions?status=FAILED"
        shown = await site.get("/console/executions", cookie=f"hub-session=hubse_admin; {_said(answer)}")
        assert "3 of 4 executions resumed" in words(shown)
        assert (await site.post("/console/executions/many", act="erase", id=ids)).status_code == 422

    visit(site_root, story)


def test_a_question_is_answered_with_a_form_made_from_its_schema(site_root: Path) -> None:
    async def story(site: Site) -> None:
        asking = await site.run("asking", {"n": 1})
        page = await site.get(f"/console/executions/{asking}")
        assert re.search(r'name="field.approved" value="true"', page.text)
        assert 'name="field.note"' in page.text
        inbox = await site.get("/console/wait-points")
        assert 'name="field.approved"' in inbox.text
        answer = await site.post(
            f"/console/executions/{asking}/answer",
            key="approval",
            **{"field.approved": "true", "field.note": "", "back": "/console/wait-points"},
        )
        assert answer.headers["location"] == "/console/wait-points"
        again = await site.post(f"/console/executions/{asking}/answer", key="approval", **{"field.approved": "true"})
        assert again.status_code == 409
        await site.work()
        record = await site.parts.client.execution(asking)
        assert record.result == {"approved": True}
        assert "person:ada" in words(await site.get("/console/wait-points?all=1"))
        assert "wait-point:resolve" in words(await site.get("/console/audit"))

    visit(site_root, story)


def test_an_executor_is_shown_paused_triggered_and_resumed(site_root: Path) -> None:
    async def story(site: Site) -> None:
        page = words(await site.get("/console/executors/hook"))
        assert "address http://" in page
        assert "condition: args.body.n &gt; 1" in words(await site.get("/console/executors/hook?tab=file"))
        await site.post("/console/executors/hook/pause")
        assert "paused" in words(await site.get("/console/executors"))
        answer = await site.post("/console/executors/hook/trigger", data='{"n": 5}')
        event = answer.headers["location"].rpartition("/")[2]
        (delivery,) = (await site.parts.client.event(event))[1]
        assert delivery.outcome == "paused"
        await site.post("/console/executors/hook/resume")
        assert await site.parts.client.paused() == set()
        await site.post(f"/console/events/{event}/replay")
        assert "1 started" in words(await site.get("/console/executors/hook")).replace("  ", " ")
        assert "1 greeting" not in page
        assert "success" not in page
        bad = await site.post("/console/executors/hook/trigger", data="{")
        assert bad.status_code == 422
        assert "02:30" in words(await site.get("/console/executors/nightly"))
        for path in ("/console/executors/hoo", "/console/refused/7", "/console/events/none", "/console/nothing"):
            assert (await site.get(path)).status_code == 404, path

    visit(site_root, story)


def test_an_open_page_is_told_of_lines_and_of_the_end(site_root: Path) -> None:
    async def story(site: Site) -> None:
        done = await site.run("greeting", "you")
        stream = await site.get(f"/console/executions/{done}/live?after=0")
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.text.splitlines()
        assert any("greeting you" in line for line in lines)
        assert "event: ended" in lines
        assert all(line == "" or line.split(":")[0] in ("id", "data", "event", "retry") for line in lines)
        last = max(int(line.removeprefix("id: ")) for line in lines if line.startswith("id: "))
        again = await site.get(f"/console/executions/{done}/live", **{"last-event-id": str(last)})
        assert "greeting you" not in again.text.replace("&#34;", '"').split("hx-partial")[1]
        assert site.live.following == 0

    visit(site_root, story)


def _said(answer: object) -> str:
    header: str = answer.headers["set-cookie"]  # type: ignore[attr-defined]  # an httpx.Response
    return header.partition(";")[0]


def test_a_machine_users_secret_is_shown_once_and_revoked(site_root: Path) -> None:
    async def story(site: Site) -> None:
        made = await site.post("/console/machine-users/main-auth/bot/secret")
        (secret,) = set(re.findall(r"hubmu_[\w-]{43}", made.text))
        page = await site.get("/console/machine-users")
        assert secret not in page.text
        assert "never used" in words(page)
        token = await site.parts.client.exchange("main-auth/bot", secret)
        (identifier,) = re.findall(r'name="secret" value="([^"]+)"', page.text)
        await site.post("/console/machine-users/main-auth/bot/revoke", secret=identifier)
        with pytest.raises(Unauthenticated):
            await site.parts.client.authenticate(token.token)
        assert identifier not in (await site.get("/console/machine-users")).text

    visit(site_root, story)


def test_an_execution_is_run_again_from_a_call(site_root: Path) -> None:
    async def story(site: Site) -> None:
        failed = await site.run("stumbling", {"n": 1})
        panel = await site.get(f"/console/executions/{failed}?job=stumble/greet")
        assert "Run again from here" in words(panel)
        answer = await site.post(f"/console/executions/{failed}/fork", path="stumble/greet")
        begun = answer.headers["location"].rpartition("/")[2]
        assert begun != failed
        assert f'href="/console/executions/{failed}"' in (await site.get(answer.headers["location"])).text

    visit(site_root, story)


def test_events_that_failed_are_replayed_page_by_page(site_root: Path) -> None:
    async def story(site: Site) -> None:
        await site.parts.client.pause_executor("hook", paused=True)
        events = [await site.parts.client.trigger_executor("hook", {"n": 5}) for _ in range(3)]
        await site.parts.client.pause_executor("hook", paused=False)
        page = await site.get("/console/events?outcome=paused")
        assert "Replay these 3" in words(page)
        await site.post("/console/events/many", id=[one.id for one in events], outcome="paused", executor="hook")
        for one in events:
            assert (await site.parts.client.event(one.id))[1][-1].outcome == "started"

    visit(site_root, story)


def test_a_refused_delivery_that_is_not_kept_whole_is_not_offered_to_be_checked(site_root: Path) -> None:
    async def story(site: Site) -> None:
        store, now = site.parts.store, site.parts.clock.now()
        for size in (2, 70_000):
            store.keep_refused(
                RefusedDelivery("hook", now, "POST", "/webhooks/hook", {}, b"{}", size, "signature", "no", b"")
            )
        await store.flush()
        whole, cut = [await site.get(f"/console/refused/{number}") for number in (1, 2)]
        assert "Check again" in words(whole)
        assert "Check again" not in words(cut)
        assert "Only 2 of its 70,000 bytes are kept, so it cannot be checked again or let in" in words(cut)

    visit(site_root, story)


def test_an_executor_that_is_gone_shows_what_is_kept_of_it(site_root: Path) -> None:
    async def story(site: Site) -> None:
        now = site.parts.clock.now()
        event = await site.parts.client.trigger_executor("hook", {"n": 2})
        site.parts.store.keep_refused(
            RefusedDelivery("hook", now, "POST", "/webhooks/hook", {}, b"", 0, "signature", "it does not match", b"")
        )
        await site.parts.store.record_slots("nightly", [Slot(now, None, Outcome.MISSED, "it was too late.")], None, 0)
        site.parts.driver.executors = {}
        page = await site.get("/console/executors/hook")
        assert page.status_code == 200
        assert "No file of executors/ has this name now" in words(page)
        assert f"/console/events/{event.id}" in page.text
        assert "Executions" in words(page)
        assert "it does not match" in words(page)
        assert "Pause" not in words(page)
        assert "it was too late." in words(await site.get("/console/executors/nightly"))
        assert (await site.get("/console/executors/never")).status_code == 404
        site.parts.driver.broken = ("hook", "never")
        assert "cannot be used as it is now, and it takes nothing until" in words(
            await site.get("/console/executors/hook")
        )
        never = await site.get("/console/executors/never")
        assert (never.status_code, "hub check" in words(never)) == (404, True)

    visit(site_root, story)
