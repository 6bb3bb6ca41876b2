import functools
import signal
import socket
import threading

import pytest

from hub.declare.body_schema import BodySchema, flaws
from hub.declare.processor_time import TooLong, within


def test_bodies_are_judged_without_being_repeated():
    schema = BodySchema(
        {
            "type": "object",
            "required": ["id", "kind"],
            "properties": {"id": {"type": "integer", "minimum": 1}, "items": {"items": {"$ref": "#/$defs/item"}}},
            "additionalProperties": False,
            "$defs": {"item": {"type": ["string", "null"], "maxLength": 3}},
        }
    )
    assert schema.problems({"id": 1, "kind": 2}) == ["$: has other members than id, items"]
    assert schema.problems({"id": 0, "items": ["abc", None, "c4nary", 5]}) == [
        "$.id: minimum 1",
        "$.items[2]: maxLength 3",
        "$.items[3]: must be string or null",
        "$: missing kind",
    ]
    assert schema.problems([]) == ["$: must be object"]
    assert BodySchema({}).problems({"a": 1}) == []
    assert BodySchema({"enum": ["push", 1, None]}).problems("c4nary") == ['$: must be one of "push", 1, null']
    forms = {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "string"}, {"type": ["null", "boolean"]}, True]}
    assert BodySchema(forms).problems(5) == []
    forms["anyOf"].pop()
    assert BodySchema(forms).problems(5) == ["$: has none of the forms that it may have (string, null or boolean)"]
    assert BodySchema({"enum": list(range(13))}).problems("c4nary") == ["$: enum does not hold"]


def test_at_most_ten_reasons_are_given():
    assert len(BodySchema({"items": {"type": "string"}}).problems(list(range(1_000)))) == 10


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "strin"}, ("type",)),
        ({"properties": {"a": {"minimum": "1"}}}, ("properties", "a", "minimum")),
        ({"properties": {"a": {"pattern": "("}}}, ("properties", "a", "pattern")),
        ({"patternProperties": {"[": {}}}, ("patternProperties",)),
        ({"required": "id"}, ("required",)),
        ({"items": [{"type": "string"}]}, ("items",)),
        ({"$ref": "#/$defs/gone"}, ()),
        ({"$ref": "#"}, ()),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, ()),
        ({"properties": {"a": {"$ref": "https://example.com/schema.json"}}}, ("properties", "a", "$ref")),
        ({"$ref": "file:///etc/passwd"}, ("$ref",)),
        ({"properties": {"a": {"$id": "https://example.com/a", "$ref": "#/x"}}}, ("properties", "a", "$id")),
    ],
)
def test_schemas_that_cannot_be_used(schema, where):
    found = flaws(schema)
    assert where in [path for path, _ in found]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://example.com/mine",
            "$ref": "#/$defs/a",
            "$defs": {"a": {}},
        },
        {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {"properties": {"child": {"$ref": "#"}}},
    ],
)
def test_schemas_that_can(schema):
    assert flaws(schema) == []


def test_nothing_is_fetched(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a schema went to the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    reference = {"$ref": "http://127.0.0.1:9/x.json"}
    assert flaws(reference)
    assert flaws({"not": {"$dynamicRef": "http://127.0.0.1:9/x.json"}})


def test_a_schema_without_end_deep_inside_is_an_answer_and_no_crash():
    schema = {"properties": {"a": {"$ref": "#/properties/a"}, "b": {"$ref": "#/$defs/gone"}}}
    assert BodySchema(schema).problems({"a": 1}) == ["$: the schema of this webhook cannot be applied to it"]
    assert BodySchema(schema).problems({"b": 1}) == ["$: the schema of this webhook cannot be applied to it"]


ALTERNATIVES = {
    "$defs": {"n": {"anyOf": [{"properties": {"x": {"$ref": "#/$defs/n"}}, "required": [key]} for key in ("p", "q")]}},
    "$ref": "#/$defs/n",
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 26 + "b"),
        ({"propertyNames": {"pattern": "^(a|aa)+$"}}, {"a" * 36 + "b": 1}),
        ({"uniqueItems": True}, [{"a": number} for number in range(1_500)]),
        (ALTERNATIVES, functools.reduce(lambda inner, _: {"x": inner}, range(14), {"x": {}})),
    ],
    ids=["a pattern", "names", "items", "alternatives"],
)
def test_what_would_take_for_ever_is_given_up(schema, value):
    assert flaws(schema) == []
    compiled = BodySchema(schema, longest=0.05)
    assert compiled.problems(value) == ["$: it takes too long to hold it against the schema"]
    assert compiled.problems(value) != [], "and again, the next time"
    with pytest.raises(TooLong):
        compiled.problems_within(0.02, value)
    assert BodySchema({"pattern": "^a+$"}).problems("a" * 1_000) == []


def endless():
    while True:
        pass


def test_the_limit_is_for_what_is_computed_and_not_for_what_waits():
    assert within(0.02, lambda: threading.Event().wait(0.1)) is False
    for _ in range(3):
        with pytest.raises(TooLong):
            within(0.02, endless)
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    signal.raise_signal(signal.SIGVTALRM)  # one that comes too late


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_limit_holds_also_where_the_first_word_of_it_is_lost():
    class Last:
        def __del__(self):
            endless()

    def work():
        last = Last()
        del last
        endless()

    with pytest.raises(TooLong):
        within(0.02, work)
