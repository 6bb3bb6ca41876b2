from __future__ import annotations

import pytest

from hub.model.clock import from_iso, iso
from hub.model.executor import ScheduleTrigger
from hub.triggers.schedule.upcoming import upcoming

BERLIN = "Europe/Berlin"


def shown(after, n=2, **trigger):
    return [(instant.local, instant.note) for instant in upcoming(ScheduleTrigger(**trigger), from_iso(after), n)]


def test_ordinary_nights_have_no_note():
    found = upcoming(ScheduleTrigger("30 2 * * *", BERLIN), from_iso("2026-05-04"), 2)
    assert [iso(instant.at) for instant in found] == ["2026-05-04T00:30:00.000Z", "2026-05-05T00:30:00.000Z"]
    assert [instant.local for instant in found] == ["2026-05-04 02:30 +02:00", "2026-05-05 02:30 +02:00"]
    assert [instant.note for instant in found] == [None, None]


def test_a_moved_time_says_so_on_its_night_only():
    found = shown("2026-03-28T12:00", cron="30 2 * * *", timezone=BERLIN)
    assert found[0][0] == "2026-03-29 03:00 +02:00"
    assert found[0][1] == (
        "02:30 does not exist on 2026-03-29, when the clock jumps from 02:00 to 03:00; it fires at the first instant after that."
    )
    assert found[1] == ("2026-03-30 02:30 +02:00", None)


def test_a_time_that_comes_twice_says_which_one_it_is():
    (fixed, note), _ = shown("2026-10-24T12:00", cron="30 2 * * *", timezone=BERLIN)
    assert fixed == "2026-10-25 02:30 +02:00"
    assert note == "02:30 comes twice as the clock is set back; it fires the first time only."
    notes = [note for _, note in shown("2026-10-24T12:00", 4, cron="*/30 2 * * *", timezone=BERLIN)]
    assert [str(note).split(";")[1] for note in notes] == [" this is the first time."] * 2 + [
        " this is the second time."
    ] * 2
    (_, first), (_, second) = shown("2026-10-24T12:00", cron="30 2 * * *", timezone=BERLIN, dst={"overlap": "both"})
    assert str(first).endswith("it fires both times, this is the first.")
    assert str(second).endswith("it fires both times, this is the second.")


@pytest.mark.parametrize("more", [{"cron": "*/30 2 * * *"}, {"cron": "0,30 2 * * *", "dst": {"gap": "skip"}}])
def test_times_that_a_gap_leaves_out_are_named_by_the_next_one(more):
    (local, note), (_, none) = shown("2026-03-28T12:00", timezone=BERLIN, **more)
    assert local == "2026-03-30 02:00 +02:00"
    assert str(note).startswith("before this one, 02:00 (also 02:30) is left out on 2026-03-29")
    assert none is None


def test_an_interval_job_is_not_moved_although_it_comes_due_at_the_end_of_the_gap():
    (local, note), _ = shown("2026-03-28T12:00", timezone=BERLIN, cron="*/30 2,3 * * *")
    assert local == "2026-03-29 03:00 +02:00"
    assert str(note).startswith("before this one, 02:00 (also 02:30) is left out")


def test_the_list_stops_at_the_end_of_the_schedule():
    assert len(shown("2026-05-04T12:00", 10, cron="@daily", end=from_iso("2026-05-07"))) == 3
    assert shown("2026-05-04T12:00", 1, cron="@daily", start=from_iso("2026-06-01"))[0][0] == "2026-06-01 00:00 +00:00"


def test_offsets_west_of_utc_and_of_half_hours_are_written_out():
    assert shown("2026-05-04T12:00", 1, cron="@daily", timezone="America/St_Johns")[0][0] == "2026-05-05 00:00 -02:30"
