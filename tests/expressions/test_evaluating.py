"""What conditions and variables mean."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.errors import ExpressionError

CONTEXT = {"event": {"id": "evt", "data": {"id": 7}}}
SAFE = 2**53 - 1
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_the_lines_of_the_contract(desk):
    assert desk(None, "({ orderId: context.event.data.id })", context=CONTEXT).variables == {"orderId": 7}
    body = {"a": [1, 2.5, None, "ü"], "b": {}}
    assert desk(None, "JSON.stringify(args.body)", args={"body": body}).variables == body
    assert desk(None, "({ date: (new Date()).toISOString() })").variables == {"date": "2023-11-14T22:13:20.123Z"}
    for total, matched in ((101, True), (100, False)):
        result = desk("args.newRecord.total > 100", None, args={"newRecord": {"total": total}})
        assert (result.matched, result.condition_value, result.error) == (matched, matched, None)


@pytest.mark.parametrize(
    ("source", "matched", "value"),
    [
        ("1", True, 1),
        ("0", False, 0),
        ("''", False, ""),
        ("'no'", True, "no"),
        ("null", False, None),
        ("undefined", False, None),
        ("NaN", False, None),
        ("[]", True, []),
        ("args.list", True, [1, 2]),
        ("'x'.repeat(5000)", True, None),
        ("''.padEnd(999, ',false,')", True, None),
        ("[',false,']", True, [",false,"]),
        ("globalThis.self = globalThis", True, None),
        ("10n", True, None),
        ("0n", False, None),
    ],
)
def test_a_condition_is_truthy_or_not_and_its_value_is_told_where_it_is_small_json(desk, source, matched, value):
    result = desk(source, "({ a: 1 })", args={"list": [1, 2]})
    assert (result.matched, result.condition_value, result.error) == (matched, value, None)
    assert result.variables == ({"a": 1} if matched else None)


def test_variables_of_a_falsy_condition_are_not_evaluated(desk):
    assert desk("false", "no.such.thing").error is None


@pytest.mark.parametrize("variables", [None, {}, "undefined", "null", "'null'", "args.missing", "JSON.stringify(null)"])
def test_nothing_is_an_empty_object(desk, variables):
    result = desk(None, variables)
    assert (result.matched, result.variables, result.error) == (True, {}, None)


def test_a_string_is_read_as_json_text_once(desk):
    assert desk(None, '\'[1,{"a":"2"}]\'').variables == [1, {"a": "2"}]
    assert desk(None, r"""'"{\\"a\\":1}"'""").variables == '{"a":1}'


@pytest.mark.parametrize(
    ("condition", "variables", "words"),
    [
        ("nope.x", None, "condition, line 1, column 1: ReferenceError: nope is not defined"),
        ("true", "\n  args.x.y", "variables, line 2, column 3: TypeError: cannot read property 'y' of undefined"),
        (None, "foo(", "variables, line 1, column 5: SyntaxError"),
        (None, "a();", 'without ";" at its end'),
        (None, "${{ args }}", 'without "${{"'),
        (None, "'abc'", "variables: the result is a string, which is read as JSON text, and it is not JSON"),
        (None, "'NaN'", "not JSON"),
        (None, "() => 1", "variables: the value is a function"),
        ("() => true", None, "condition: the value is a function"),
        ("Promise.resolve(false)", None, "a Promise is no value"),
        (None, "(async () => 1)()", "a Promise is no value"),
        (None, "({ a: [Promise.resolve(1)] })", "a Promise is no value"),
        (None, "Symbol('x')", "has no JSON"),
        (None, "10n", "BigInt"),
        (None, {"a": {"b": ["${{ 1n }}"]}}, "variables.a.b[0]: TypeError"),
        (None, {"a": "x ${{ args.nope }}"}, "variables.a: the value is undefined and stands inside a text"),
        (None, {"a": "x ${{ y"}, 'variables, line 1, column 3: this "${{" has no "}}"'),
        (None, {"a": "one\n ${{ b.c }}"}, "variables.a, line 2, column 6: ReferenceError"),
        (None, "''", "not JSON"),
        (None, "'\\ud800x'", "not JSON"),
        (None, "({ a: '\\ud800' })", "half of a surrogate pair"),
        (None, "JSON.stringify({ a: '\\ud800' })", "half of a surrogate pair"),
        (None, "[...Array(201)].reduce((a) => [a], 1)", "nested deeper than 200"),
        (None, "[...Array(3000)].reduce((a) => [a], 1)", "Maximum call stack size"),
        (None, "'['.repeat(5000) + ']'.repeat(5000)", "nested deeper than 200"),
        (None, "'x'.repeat(2e6)", "longer than the 1048576 characters"),
        (None, {"a": "${{ 'x'.repeat(6e5) }}", "b": "${{ 'x'.repeat(6e5) }}"}, "variables.b: the result is longer"),
        (None, "(() => { throw { toString() { throw 1 } } })()", "cannot be described"),
        (None, "(() => { throw new Error('a\\nb') })()", "Error: a\nb"),
        ("1\0", None, "a character that no text may hold"),
        ("'\ud800'", None, "a character that no text may hold"),
        ("1+" * 40_000 + "1", None, "longer than 65536"),
    ],
)
def test_what_is_wrong_is_said_with_where(desk, condition, variables, words):
    result = desk(condition, variables)
    assert isinstance(result.error, ExpressionError)
    assert words in str(result.error)
    assert (result.matched, result.variables) == (False, None)
    assert len(str(result.error)) < 700
    assert desk.value("1 + 1") == 2


def test_line_and_column_are_also_attributes(desk):
    error = desk(None, "1 +\n  nope").error
    assert (error.line, error.column) == (2, 3)


def test_a_scope_that_is_not_json_fails_alone(desk, scope):
    from hub.expressions import Request

    bad, good = desk.all(
        [
            Request(scope(args={"x": {1, 2}}), "true", None),
            Request(scope(args=MappingProxyType({"x": 1})), "args.x", None),
        ]
    )
    assert "not JSON" in str(bad.error)
    assert good.matched


def test_the_condition_does_not_change_what_the_variables_see(desk):
    result = desk("args.total = 5", "args", args={"total": 1})
    assert result.variables == {"total": 1}


def test_env_is_in_scope(desk):
    assert desk.value("env.region", env={"region": "eu-west"}) == "eu-west"


@settings(max_examples=60, deadline=None)
@given(value=JSON)
def test_any_json_comes_back_equal(desk, value):
    whole = desk(None, {"it": "${{ args.x }}"}, args={"x": value})
    assert whole.variables == {"it": value}
    assert desk(None, "({ it: JSON.parse(JSON.stringify(args.x)) })", args={"x": value}).variables == {"it": value}


def test_whole_numbers_keep_the_value_that_a_double_has(desk):
    numbers = [2**53, 2**53 - 1, -(2**53), 2**60, 10**20, 48902385056525808, 1.5e300]
    assert desk(None, "args.x", args={"x": numbers}).variables == numbers
    assert desk(None, "JSON.stringify(args.x)", args={"x": numbers}).variables == numbers
    assert "too large" in str(desk(None, "'9'.repeat(400)").error)


@settings(max_examples=40, deadline=None)
@given(
    text=st.text()
    | st.text().map(lambda t: "${{ " + t + " }}")
    | st.just("${{ constructor.constructor('return 1')() }}")
)
def test_what_comes_in_is_never_evaluated(desk, text):
    template = {"whole": "${{ args.x }}", "part": "<${{ args.x }}>", "deep": ["${{ [args.x] }}"]}
    assert desk(None, template, args={"x": text}).variables == {"whole": text, "part": f"<{text}>", "deep": [[text]]}
    assert desk(None, "({ x: args.x })", args={"x": text}).variables == {"x": text}


def test_proto_in_the_input_is_a_name_like_any_other(desk):
    args = {"__proto__": {"polluted": 1}, "constructor": 2}
    assert desk(None, "({ same: args, polluted: ({}).polluted ?? null })", args=args).variables == {
        "same": args,
        "polluted": None,
    }


def test_memory_has_a_ceiling_of_its_own(desk, desk_with):
    small = desk_with(memory_mb=16)
    assert "it needed more than 16 MB of memory" in str(small(None, "[new ArrayBuffer(24e6).byteLength]").error)
    assert small.value("1 + 1") == 2
    assert desk.value("new ArrayBuffer(24e6).byteLength") == 24_000_000
