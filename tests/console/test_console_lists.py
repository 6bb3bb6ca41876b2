"""Lists in the console: walked to their last page, searched, followed, and turned from one moment to another."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from console_site import Site, visit, words

from hub.model.clock import new_id
from hub.model.event import Outcome
from hub.model.execution import StartRequest
from hub.model.schedule import Slot, StoredSchedule


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
        other = await site.get("/console/executions?executor=hook&workflow=asking")
        assert "Nothing here with these filters" in words(other)
        both = await site.get("/console/executions?executor=hook&workflow=greeting")
        assert of_hook.id in both.text
        assert by_hand not in both.text
        gone = await site.get("/console/executions?executor=hook&workflow=gone")
        assert '<option value="gone" selected>' in gone.text, "the form keeps what the address asks for"
        strange = await site.get("/console/executions?since=1d")
        assert strange.status_code == 404
        assert "24h" in words(strange)

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
