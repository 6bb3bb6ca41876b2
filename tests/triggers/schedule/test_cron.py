from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from crondst import CronDst, CronDstError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from schedule_stand_ins import slots_between

from hub.model.clock import from_iso, iso
from hub.model.errors import BadInput
from hub.model.executor import ScheduleTrigger
from hub.triggers.schedule.cron import cron_of, parse
from hub.triggers.schedule.zones import LATEST


def instants(expression, zone, after, count, **dst):
    found = slots_between(parse(expression, zone, dst), from_iso(after), LATEST, count)
    return [iso(slot)[:16] for slot in found]


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@HOURLY", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@annually", "0 0 1 1 *"),
        ("0 3-3 * * *", "0 3 * * *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 9 * jan-MAR Mon-Fri", "0 9 * 1-3 1-5"),
        ("0 9 * * sun", "0 9 * * 0"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("10-30/10 * * * *", "10,20,30 * * * *"),
        ("  0\t0  1,1 * * ", "0 0 1 * *"),
    ],
)
def test_spellings_mean_the_same(expression, same):
    assert instants(expression, "UTC", "2026-01-01", 50) == instants(same, "UTC", "2026-01-01", 50)


@pytest.mark.parametrize(
    ("expression", "weekday_sundays"),
    [("0 0 * * 0", ["2026-03-01", "2026-03-08"]), ("0 0 13 * 5", ["2026-03-06", "2026-03-13"])],
)
def test_sunday_is_0_and_one_of_two_day_fields_is_enough(expression, weekday_sundays):
    assert instants(expression, "UTC", "2026-02-28", 2) == [f"{day}T00:00" for day in weekday_sundays]


def test_both_days_have_to_match_when_one_begins_with_a_star():
    assert instants("0 0 */10 * 1", "UTC", "2026-01-01", 3) == [
        "2026-05-11T00:00",
        "2026-06-01T00:00",
        "2026-08-31T00:00",
    ]


def test_a_full_list_of_weekdays_is_not_a_star():
    assert len(instants("0 0 15 * 0-6", "UTC", "2026-01-01", 31)) == 31
    assert instants("0 0 15 * 0-6", "UTC", "2026-01-01", 1) == ["2026-01-02T00:00"]
    assert parse("0 0 15 * 0-7", "UTC").fields == parse("0 0 15 * 0-6", "UTC").fields
    assert instants("0 0 15 * */1", "UTC", "2026-01-01", 1) == ["2026-01-15T00:00"]


@pytest.mark.parametrize(
    ("expression", "zone", "words"),
    [
        ("* * * * * *", "UTC", "6 fields; write five"),
        ("* * * *", "UTC", "4 fields; write five"),
        ("", "UTC", "0 fields"),
        ("5-3 * * * *", "UTC", '"5-59,0-3"'),
        ("0 0 * * fri-sun", "UTC", '"5-7"'),
        ("0 0 * * mno", "UTC", '"mon"'),
        ("60 * * * *", "UTC", "60 is not from 0 to 59"),
        ("0 24 * * *", "UTC", "24 is not from 0 to 23"),
        ("0 0 0 * *", "UTC", "0 is not from 1 to 31"),
        ("*/90 * * * *", "UTC", "from 1 to 60"),
        ("*/0 * * * *", "UTC", "from 1 to 60"),
        ("0 0 ? * *", "UTC", 'write "*"'),
        ("0 0 L * *", "UTC", "not a number"),
        ("0 0 * * 5#2", "UTC", "#"),
        ("1,,2 * * * *", "UTC", "cannot be read"),
        ("-5 * * * *", "UTC", "cannot be read"),
        ("٣ * * * *", "UTC", "cannot be read"),
        ("@dayly", "UTC", '"@daily"'),
        ("@reboot", "UTC", "not a moment"),
        ("0 0 30 2 *", "UTC", "never comes"),
        ("0 0 31 4,6,9,11 *", "UTC", "never comes"),
        ("0 0 31 2 */2", "UTC", "never comes"),
        ("0," * 600 + "0 * * * *", "UTC", "longer than"),
        ("@daily", "Europe/Belin", '"Europe/Berlin"'),
        ("@daily", "europe/berlin", '"Europe/Berlin"'),
        ("@daily", "berlin", '"Europe/Berlin"'),
        ("@daily", "New York", '"America/New_York"'),
        ("@daily", "localtime", "no time zone"),
        ("@daily", "../../etc/passwd", "no time zone"),
        ("@daily", "America", "no time zone"),
        ("@daily", "", "no time zone"),
    ],
)
def test_mistakes_are_refused_with_advice(expression, zone, words):
    with pytest.raises(BadInput) as refused:
        parse(expression, zone)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("dst", "words"),
    [({"gap": "befor"}, "after, skip"), ({"overlap": "frist"}, '"first"'), ({"overlaps": "both"}, '"overlap"')],
)
def test_unknown_rules_for_clock_changes_are_refused(dst, words):
    with pytest.raises(BadInput) as refused:
        parse("@daily", "UTC", dst)
    assert words in str(refused.value)


def test_a_date_that_never_comes_is_refused_in_ten_milliseconds():
    took = []
    for day in ("30", "31", "30,31"):
        begun = time.process_time()
        with pytest.raises(BadInput):
            parse(f"0 0 {day} 2 *", "Europe/Berlin")
        took.append(time.process_time() - begun)
    assert min(took) < 0.01


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[-0-9a-z*/,#@?LW ]{1,30}", fullmatch=True), st.text(max_size=20))
@example("9999 9999 9999 9999 9999", "UTC")
@example("0-0/1 0 1 1 sun-sun", "\x00")
def test_any_text_is_read_or_refused(expression, zone):
    for arguments in ((expression, "UTC"), ("@daily", zone)):
        try:
            cron = parse(*arguments)
        except BadInput:
            continue
        assert cron.next_after(0) is not None


def test_rare_dates_are_found_and_the_end_of_the_calendar_is_an_end():
    assert instants("0 0 29 2 *", "UTC", "2096-03-01", 1) == ["2104-02-29T00:00"]
    assert instants("0 0 29 2 */7", "UTC", "2026-01-01", 2) == ["2032-02-29T00:00", "2060-02-29T00:00"]
    assert parse("@daily", "Asia/Tokyo").next_after(LATEST + 1) is None
    assert parse("@daily", "Asia/Tokyo").previous_before(-(10**15)) is None


BERLIN = "Europe/Berlin"


def test_a_time_in_the_spring_gap_comes_once_at_its_end():
    assert instants("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["2026-03-29T01:00", "2026-03-30T00:30"]
    assert instants("0,30 2,3 * * *", BERLIN, "2026-03-28T12:00", 2) == ["2026-03-29T01:00", "2026-03-29T01:30"]


def test_a_time_in_the_autumn_hour_comes_at_its_first_occurrence():
    assert instants("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == ["2026-10-25T00:30", "2026-10-26T01:30"]
    assert instants("30 2 * * *", BERLIN, "2026-10-25T01:10", 1) == ["2026-10-26T01:30"]


def test_interval_jobs_follow_elapsed_time():
    assert instants("*/30 2 * * *", BERLIN, "2026-03-28T12:00", 1) == ["2026-03-30T00:00"]
    assert instants("*/30 2 * * *", BERLIN, "2026-10-24T12:00", 4) == [
        "2026-10-25T00:00",
        "2026-10-25T00:30",
        "2026-10-25T01:00",
        "2026-10-25T01:30",
    ]
    assert instants("@hourly", BERLIN, "2026-10-24T23:30", 3) == [
        "2026-10-25T00:00",
        "2026-10-25T01:00",
        "2026-10-25T02:00",
    ]


def test_rules_for_gap_and_overlap_can_be_chosen():
    assert instants("30 2 * * *", BERLIN, "2026-03-28T12:00", 1, gap="skip") == ["2026-03-30T00:30"]
    assert instants("30 2 * * *", BERLIN, "2026-10-24T12:00", 1, overlap="last") == ["2026-10-25T01:30"]
    assert instants("15,30 2 * * *", BERLIN, "2026-10-24T12:00", 5, overlap="both") == [
        "2026-10-25T00:15",
        "2026-10-25T00:30",
        "2026-10-25T01:15",
        "2026-10-25T01:30",
        "2026-10-26T01:15",
    ]


numbers = st.integers(from_iso("2026-01-01"), from_iso("2027-01-01"))


def listed(low, high):
    return st.lists(st.integers(low, high), min_size=1, max_size=4).map(lambda values: ",".join(map(str, values)))


def stepped(field):
    return field | st.sampled_from(["*", "*/2", "*/5"])


expressions = st.tuples(
    stepped(listed(0, 59)),
    stepped(listed(0, 23)),
    stepped(listed(1, 28)),
    stepped(listed(1, 12)),
    stepped(listed(0, 7)),
).map(" ".join)


@settings(deadline=None)
@given(expressions, st.sampled_from([BERLIN, "America/New_York", "UTC", "Asia/Kolkata"]), numbers)
def test_random_expressions_agree_with_crondst(expression, zone, after):
    cron = parse(expression, zone)
    start = datetime.fromtimestamp(after / 1000, UTC).astimezone(cron.zone)
    # crondst drops seconds before it begins: give it the end of the minute that counts.
    try:
        oracle = CronDst(expression).iter(start.replace(second=0, microsecond=0))
    except CronDstError:  # it refuses "every day" of a month that has no 31st
        assume(False)
    wanted = [int(next(oracle).timestamp()) * 1000 for _ in range(4)]
    found = slots_between(cron, after, LATEST, 4)
    assert found == wanted


@settings(deadline=None)
@given(expressions, numbers, st.sampled_from(["first", "last", "both"]), st.sampled_from(["after", "skip"]))
def test_forwards_and_backwards_are_the_same_slots(expression, after, overlap, gap):
    cron = parse(expression, "Australia/Lord_Howe", {"overlap": overlap, "gap": gap})
    found = slots_between(cron, after, LATEST, 5)
    assert found == sorted(set(found))
    assert cron.previous_before(found[0] + 1) == found[0]
    assert [cron.previous_before(slot) for slot in found[1:]] == found[:-1]
    earlier = cron.previous_before(found[0])
    assert earlier is None or earlier <= after


def test_one_cron_may_be_shared_by_threads():
    cron = parse("*/7 * * * *", BERLIN)
    starts = [from_iso("2026-01-01") + int(timedelta(hours=hour) / timedelta(milliseconds=1)) for hour in range(300)]
    wanted = [cron.next_after(start) for start in starts]
    found: dict[int, list[int | None]] = {}

    def ask(number):
        found[number] = [cron.next_after(start) for start in starts]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that they really meet
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    assert list(found.values()) == [wanted] * 4


def test_a_trigger_brings_its_zone_and_its_rules():
    trigger = ScheduleTrigger("30 2 * * *", BERLIN, dst={"overlap": "last"})
    assert iso(cron_of(trigger).next_after(from_iso("2026-10-24T12:00")) or 0) == "2026-10-25T01:30:00.000Z"
