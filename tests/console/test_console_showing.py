"""What templates draw: chips, strips, trees, questions, and texts that must not trick the eye."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.console.showing.days import DAY_MS, day
from hub.console.showing.payloads import matches
from hub.console.showing.questions import answer, question
from hub.console.showing.states import chip
from hub.console.showing.strips import HEIGHT, strip
from hub.console.showing.texts import shortened, visible
from hub.console.showing.tree import MOST, Node, tree
from hub.model.errors import BadInput
from hub.model.event import Outcome
from hub.model.execution import JobStatus, Status

NOW = 1_790_000_000_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=30,
)


def test_every_state_has_a_shape_of_its_tone() -> None:
    tones = {}
    for state in [*Status, *JobStatus, *Outcome]:
        shown = chip(state.value)
        assert tones.setdefault(shown.tone, shown.shape) == shown.shape
    assert len(set(tones.values())) == len(tones) == 5
    assert chip("FAILED").tone == chip("failed").tone == "failed"
    assert chip("filtered").tone == "skipped"


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=48))
def test_strips_stay_in_their_frame_and_show_the_least(counts: list[int]) -> None:
    drawn = strip(counts, [str(count) for count in counts])
    assert len(drawn.bars) == len(counts)
    for bar, count in zip(drawn.bars, counts, strict=True):
        assert bar.y >= 0
        assert bar.y + bar.height == pytest.approx(HEIGHT)
        assert (bar.height >= 1) is (count > 0)


def every(node: Node) -> list[Node]:
    return [node, *[below for child in node.children for below in every(child)]]


@settings(deadline=None)
@given(st.lists(st.integers(), max_size=4).map(lambda items: {"a": {"b c": items, "d": {"e": None}}}))
def test_a_path_leads_to_its_value(value: dict[str, Any]) -> None:
    nodes = {node.path: node for node in every(tree(value, "args"))}
    assert nodes['$.a["b c"]'].text == f"{len(value['a']['b c'])} item{'s' if len(value['a']['b c']) != 1 else ''}"
    assert nodes["$.a.d.e"].expression == "args.a.d.e"
    for place, item in enumerate(value["a"]["b c"]):
        assert nodes[f'$.a["b c"][{place}]'].text == str(item)


@settings(deadline=None)
@given(JSON)
def test_any_value_has_a_tree(value: Any) -> None:
    assert len(every(tree(value))) <= 2 * MOST


def test_a_huge_value_is_cut_and_says_so() -> None:
    nodes = every(tree(list(range(10_000))))
    assert len(nodes) == MOST + 2
    assert nodes[-1].text == f"{10_000 - MOST} more"


def test_a_deep_value_ends() -> None:
    value: Any = 1
    for _ in range(500):
        value = [value]
    assert len(every(tree(value))) < 50


def test_texts_cannot_hide_or_turn_round() -> None:
    assert visible("a\x1b[31mred\x00") == "a␛[31mred␀"
    assert visible("one\ntwo\tthree") == "one\ntwo\tthree"
    assert visible("exe.\u202egpj") == "exe.\\u202egpj"
    assert visible("\r\u2028\x7f\u200b") == "␍\\u2028␡\\u200b"
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"


ASKED = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean", "title": "Approved", "description": "Pay it"},
        "amount": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "how": {"enum": ["cash", "card"]},
        "note": {"type": "string"},
        "days": {"type": "integer"},
    },
    "required": ["approved", "how"],
}


def test_a_form_is_made_from_a_schema_and_read_back() -> None:
    asked = question(ASKED)
    assert [(field.name, field.kind, field.required) for field in asked.fields] == [
        ("approved", "boolean", True),
        ("amount", "number", False),
        ("how", "choice", True),
        ("note", "string", False),
        ("days", "integer", False),
    ]
    form = {"field.approved": "true", "field.amount": "1.5", "field.how": "card", "field.note": "", "field.days": "3"}
    assert answer(asked, form) == {"approved": True, "amount": 1.5, "how": "card", "days": 3}
    assert answer(asked, {"field.how": "cash"}) == {"approved": False, "how": "cash"}
    with pytest.raises(BadInput, match="days: soon is not a number"):
        answer(asked, {**form, "field.days": "soon"})


@pytest.mark.parametrize(
    "schema",
    [{}, {"type": "string"}, {"type": "object", "properties": {"lines": {"type": "array"}}}, {"$ref": "#/$defs/X"}],
)
def test_what_is_more_than_plain_values_is_asked_for_as_json(schema: dict[str, Any]) -> None:
    asked = question(schema)
    assert asked.fields == ()
    assert answer(asked, {"json": '{"lines": [1]}'}) == {"lines": [1]}
    assert answer(None, {"json": ""}) is None
    with pytest.raises(BadInput, match="not JSON"):
        answer(asked, {"json": "{"})


ARGS = {"body": {"order": {"id": 7, "tags": ["new", "big"]}, "paid": None, "name": "Ada"}, "query": {}}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("body.order.id=7", True),
        ("args.body.order.id=7", True),
        ("body.order.id=8", False),
        ("body.order.tags[1]=big", True),
        ("body.order.tags.0=new", True),
        ("body.order.tags[9]=new", False),
        ("body.name=Ada", True),
        ("body.name.first=Ada", False),
        ("body.gone=", False),
        ("body.paid=null", False),
        ("ada", True),
        ("nobody", False),
    ],
)
def test_events_are_found_by_a_field_of_their_payload(asked: str, found: bool) -> None:
    assert matches(ARGS, asked) is found


def test_a_day_before_and_after_now_is_drawn() -> None:
    drawn = day(
        [(NOW, "started"), (NOW - DAY_MS, "missed"), (NOW - 2 * DAY_MS, "started")],
        [NOW + DAY_MS, NOW + 2 * DAY_MS],
        NOW,
    )
    assert [(dot.x, dot.tone) for dot in drawn] == [(240, "tone-success"), (0, "tone-skipped"), (480, "coming")]
