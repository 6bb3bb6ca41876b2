from __future__ import annotations

import pytest
from cli_kit import Hub


@pytest.fixture
def two(hub: Hub) -> list[str]:
    """An event that started something, and one that did not; their ids."""
    return [hub.json("executor", "trigger", "number-webhook", "-d", f'{{"n": {n}}}')["id"] for n in (1, 0)]


def test_events_are_newest_first_each_with_what_became_of_it(hub: Hub, two: list[str]) -> None:
    rows = hub.json("event", "list")
    assert [row["id"] for row in rows] == two[::-1]
    assert [row["deliveries"][0]["outcome"] for row in rows] == ["filtered", "started"]
    (header, first, second) = hub("event", "list").lines()
    assert header[-1] == "became"
    assert [first[-1], second[-1]] == ["number-webhook: filtered", "number-webhook: started"]


def test_events_can_be_narrowed(hub: Hub, two: list[str]) -> None:
    assert [row["id"] for row in hub.json("event", "list", "--outcome", "filtered")] == two[1:]
    assert [row["id"] for row in hub.json("event", "list", "--limit", "1")] == two[1:]
    assert hub.json("event", "list", "--executor", "nightly") == []
    assert [row["id"] for row in hub.json("event", "list", "--since", "1h")] == two[::-1]
    assert hub.json("event", "list", "--since", "2999-01-01") == []
    assert hub("event", "list", "--since", "yore").status == 2


def test_a_replay_is_a_delivery_of_its_own(hub: Hub, two: list[str]) -> None:
    (again,) = hub.json("event", "replay", two[0])
    shown = hub.json("event", "show", two[0])
    assert [one["outcome"] for one in shown["deliveries"]] == ["started", "started"]
    assert again["id"] in [one["id"] for one in shown["deliveries"]]
    assert len(hub.json("workflow", "executions")) == 2


def test_an_unknown_event_is_a_sentence(hub: Hub) -> None:
    for verb in ("show", "replay"):
        ran = hub("event", verb, "01ABC")
        assert (ran.status, ran.out, ran.err) == (1, "", 'error: there is no event "01ABC".\n')
