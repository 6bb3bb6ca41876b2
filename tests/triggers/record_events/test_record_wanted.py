from __future__ import annotations

from typing import get_args

from hub.model.executor import EventTrigger, Executor, HttpTarget, Position, RecordEvent, ScheduleTrigger
from hub.triggers.record_events.wanted import _REASONS, problems, refusal, wanted
from hub.triggers.record_events.watched import Relation


def executor(name: str, model: str, *types: RecordEvent, namespace: str = "shop", disabled: bool = False) -> Executor:
    place = {("trigger", "event", "model"): Position(f"executors/{name}.yaml", 4, 12)}
    return Executor(
        name,
        EventTrigger(namespace, types, model),
        HttpTarget("https://example.com"),
        disabled=disabled,
        positions=place,
    )


def test_wishes_for_one_table_are_joined():
    found = wanted(
        [
            executor("one", "orders", "record.created"),
            executor("two", "orders", "record.created", "record.deleted"),
            executor("three", "items", "record.updated"),
            executor("four", "orders", "record.updated", namespace="archive"),
        ]
    )
    assert found == {
        "shop": {"orders": {"record.created", "record.deleted"}, "items": {"record.updated"}},
        "archive": {"orders": {"record.updated"}},
    }


def test_other_triggers_and_disabled_executors_want_nothing():
    nightly = Executor("nightly", ScheduleTrigger("@daily"), HttpTarget("https://example.com"))
    assert wanted([nightly, executor("off", "orders", "record.created", disabled=True)]) == {}


def test_a_table_that_is_not_there_is_said_where_it_is_named_with_the_closest_name():
    relations: dict[str, Relation] = {"orders": "table", "orders_view": "view"}
    (problem,) = problems(
        [executor("one", "Orders", "record.created"), executor("two", "orders", "record.created")], "shop", relations
    )
    assert str(problem) == (
        'executors/one.yaml:4:12: in the database "shop" there is no table "Orders". Did you mean "orders"?'
    )


def test_problems_of_another_namespace_are_not_this_one_s():
    assert problems([executor("one", "nowhere", "record.created", namespace="archive")], "shop", {}) == []


def test_every_relation_but_a_table_is_refused_with_its_reason():
    for relation in get_args(Relation):
        why = refusal("x", {"x": relation})
        assert (why is None) == (relation == "table")
        assert relation == "table" or _REASONS[relation] in str(why)


def test_a_hostile_name_stays_on_one_line():
    why = refusal('a\n"; DROP', {})
    assert why is not None
    assert "\n" not in why
