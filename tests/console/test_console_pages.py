"""The pages: what they say about real events and executions, and what their buttons do."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from console_site import Site, visit, words

from hub.model.clock import new_id
from hub.model.errors import Unauthenticated
from hub.model.event import Outcome
from hub.model.execution import StartRequest, Status
from hub.model.schedule import Slot, StoredSchedule


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


async def listed(site: Site, path: str) -> list[str]:
    """What the rows of a list open, from this page to its last one."""
    found: list[str] = []
    while path:
        page = await site.get(path)
        found += re.findall(r'<tr data-href="/console/\w+/([\w-]+)', page.text)
        more = re.findall(r'href="([^"]*[?&;](?:before|after)=[^"]*)"', page.text)
        path = html.unescape(more[-1]) if more else ""
    return found


def test_a_search_goes_further_back_a_page_at_a_time(site_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.console.pages.events._CHUNK", 2)
    monkeypatch.setattr("hub.console.pages.events._BUDGET", 0.0)

    async def story(site: Site) -> None:
        for number in (7, 1, 1, 1, 1):
            await site.parts.client.trigger_executor("hook", {"n": number})
        path, looks = "/console/events?where=body.n%3D7", 0
        while (page := await site.get(path)).text.count("<tr data-href") == 0:
            assert "None of these has it." in words(page)
            path = html.unescape(re.findall(r'href="(/console/events\?[^"]*before=[^"]*)"', page.text)[0])
            looks += 1
        assert looks == 2, "two are looked through at a time"
        assert "There are no older ones." in words(page)

    visit(site_root, story)


def test_slots_are_walked_as_far_as_one_likes(site_root: Path) -> None:
    async def story(site: Site) -> None:
        path, nights, notes = "/console/executors/nightly?tab=slots", list[str](), ""
        for _ in range(40):  # of ten nights each: both clock changes of a year are among them
            text = (await site.get(path)).text
            found = re.findall(r"<tr><td>(\d{4}-\d\d-\d\d) ", text)
            assert len(found) == 10
            nights, notes = nights + found, notes + text
            (later,) = re.findall(r'href="([^"]+)" rel="next">later', text)
            path = html.unescape(later)
        assert nights == sorted(set(nights))
        assert "does not exist on" in notes
        assert "comes twice as the clock is set back" in notes

    visit(site_root, story)


def test_past_slots_are_walked_a_page_at_a_time(site_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.console.pages.executors._SHOWN", 2)

    async def story(site: Site) -> None:
        slots = [Slot(1_000 * at, None, Outcome.MISSED, f"reason {at}") for at in range(1, 6)]
        await site.parts.store.put_schedules([StoredSchedule("nightly", "", 1, False)], [])
        assert await site.parts.store.record_slots("nightly", slots, 2, 1)
        path, found = "/console/executors/nightly?tab=slots", list[str]()
        for _ in range(3):
            text = (await site.get(path)).text
            found += re.findall(r"reason \d", text)
            path = html.unescape(([*re.findall(r'href="([^"]+)" rel="next">older', text), ""])[0])
        assert found == [f"reason {at}" for at in (5, 4, 3, 2, 1)]
        assert path == "", "that was all"

    visit(site_root, story)


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 5_000, "1" * 18, "٣", "-1", "x"])
def test_no_number_in_an_address_is_too_large_or_too_odd(site_root: Path, digits: str) -> None:
    async def story(site: Site) -> None:
        for path, status in (
            (f"/console/audit?before={digits}", 200),
            (f"/console/executors/nightly?tab=slots&before={digits}", 200),
            (f"/console/executors/nightly?tab=slots&after={digits}", 422 if digits == "1" * 18 else 200),
            (f"/console/refused/{digits}", 404),
        ):
            assert (await site.get(path)).status_code == status, path[:60]

    visit(site_root, story)


def test_a_full_page_of_a_search_loses_none_behind_it(site_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.console.pages.events.PAGE", 2)

    async def story(site: Site) -> None:
        made = [(await site.parts.client.trigger_executor("hook", {"n": 7})).id for _ in range(5)]
        assert await listed(site, "/console/events?where=body.n%3D7") == made[::-1]

    visit(site_root, story)


def test_schedules_are_told_a_page_at_a_time(site_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.console.pages.schedules._SHOWN", 2)

    async def story(site: Site) -> None:
        now = site.parts.clock.now()
        names = [f"s-{number}" for number in range(5)]
        moments = (1, 1, 1, 2, 2)
        rows = [StoredSchedule(name, "", now + 1_000 * at, False) for name, at in zip(names, moments, strict=True)]
        await site.parts.store.put_schedules(rows, [])
        assert await listed(site, "/console/schedules") == names

    visit(site_root, story)


def test_the_tail_of_a_list_brings_what_came_since(site_root: Path) -> None:
    async def story(site: Site) -> None:
        first = await site.parts.client.trigger_executor("hook", {"n": 1})
        page = await site.get("/console/events?follow=1")
        assert f"/console/events/tail?after={first.id}" in page.text
        nothing = await site.get(f"/console/events/tail?after={first.id}", **{"hx-request": "true"})
        assert "<tr" not in nothing.text
        second = await site.parts.client.trigger_executor("hook", {"n": 2})
        come = await site.get(f"/console/events/tail?after={first.id}", **{"hx-request": "true"})
        assert re.findall(r'<tr data-href="/console/events/(\w+)"', come.text) == [second.id]
        assert f"after={second.id}" in come.text

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


def test_executions_are_narrowed_to_an_executor_and_to_the_last_hours(site_root: Path) -> None:
    async def story(site: Site) -> None:
        by_hand = await site.run("greeting", {"n": 1})
        await site.post("/console/executors/hook/trigger", data='{"n": 5}')
        await site.work()
        (of_hook,) = (await site.parts.client.executions_page(executor="hook")).items
        before = site.parts.clock.now() - 2 * 3_600_000
        old = StartRequest(new_id(before), "greeting", "{}", None, before, executor="hook")
        await site.parts.store.start(old)
        page = await site.get("/console/executions?executor=hook&since=1h")
        assert of_hook.id in page.text
        assert by_hand not in page.text
        assert old.id not in page.text
        assert old.id in (await site.get("/console/executions?executor=hook&since=24h")).text
        assert "/console/executions?status=FAILED&amp;executor=hook&amp;since=1h" in page.text, (
            "a status keeps the rest"
        )
        assert "Nothing here with these filters" in words(await site.get("/console/executions?executor=nightly"))
        both = await site.get("/console/executions?executor=hook&workflow=asking")
        assert of_hook.id in both.text, "an executor starts one workflow, which need not be asked for"
        assert 'name="workflow"' not in both.text
        strange = await site.get("/console/executions?since=1d")
        assert strange.status_code == 404
        assert "24h" in words(strange)

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


def test_search_finds_by_id_name_and_field(site_root: Path) -> None:
    async def story(site: Site) -> None:
        failed = await site.run("stumbling", {"n": 1})
        event = await site.parts.client.trigger_executor("hook", {"n": 1})
        for asked, there in [
            (failed.lower(), f"/console/executions/{failed}"),
            (event.id, f"/console/events/{event.id}"),
            ("body.n=1", "/console/events?where=body.n%3D1"),
        ]:
            found = await site.get(f"/console/search?q={asked.replace('=', '%3D')}")
            assert (found.status_code, found.headers["location"]) == (303, there)
        assert "/console/executors/nightly" in (await site.get("/console/search?q=night")).text
        assert "Nothing has this id or name" in words(await site.get("/console/search?q=nobody"))

    visit(site_root, story)


def test_a_list_says_how_many_are_new(site_root: Path) -> None:
    async def story(site: Site) -> None:
        first = await site.parts.client.trigger_executor("hook", {"n": 1})
        assert words(await site.get(f"/console/events/newer?after={first.id}")).strip() == ""
        for _ in range(3):
            await site.parts.client.trigger_executor("hook", {"n": 1})
        assert "3 new" in words(await site.get(f"/console/events/newer?after={first.id}"))
        assert words(await site.get(f"/console/events/newer?after={first.id}&outcome=started")).strip() == ""
        one = await site.run("greeting", 1)
        await site.run("greeting", 2)
        assert "1 new" in words(await site.get(f"/console/executions/newer?after={one}"))

    visit(site_root, story)


def test_lists_are_turned_page_by_page(site_root: Path) -> None:
    async def story(site: Site) -> None:
        for number in range(55):
            await site.parts.client.start("greeting", number)
        seen: list[str] = []
        path: str | None = "/console/executions"
        while path is not None:
            page = await site.get(path)
            seen += re.findall(r'data-href="/console/executions/([^"]+)"', page.text)
            older = re.search(r'href="([^"]+)" rel="next"', page.text)
            path = older[1].replace("&amp;", "&") if older else None
        assert len(seen) == len(set(seen)) == 55
        assert seen == sorted(seen, reverse=True)

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
