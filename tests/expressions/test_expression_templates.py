"""`${{ }}` in strings: where an expression ends, and what stands in its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.expressions.templates import UNDEFINED, Piece, Unclosed, fill, pieces, split


def found(text):
    return [part.source.strip() for part in split(text) if isinstance(part, Piece)]


@pytest.mark.parametrize(
    "expression",
    [
        "a",
        "{ a: { b: 1 } }",
        "{a:{b:{}}}",
        "'}}' + \"}}\"",
        r"'\'}}'",
        "`}} ${ `${ {a: '}}'} }` } }}`",
        "/[}}/]}}/.test(a)",
        r"/\/}}/.test(a)",
        "a / b /* }} */ / c",
        "a // }}\n",
        "(a) / 2 + b['}}'] / 3",
        "x => { return /}}/ }",
        "typeof /}}/",
        "'${{'",
    ],
)
def test_an_expression_ends_outside_strings_brackets_and_comments(expression):
    assert found("${{ " + expression + " }}") == [expression.strip()]
    assert found("x ${{" + expression + "}} y ${{ 1 }} z") == [expression.strip(), "1"]


@pytest.mark.parametrize("text", ["${{", "${{ a }", "a ${{ 'x }}", "${{ (a }}", "${{ a }} ${{ `b }}"])
def test_an_end_that_does_not_come_is_an_error(text):
    with pytest.raises(Unclosed, match="closes it"):
        split(text)


def test_whole_strings_keep_the_type_and_parts_do_not(desk):
    template = {
        "whole": "${{ args.x }}",
        "block": "${{ args.x }}\n",
        "part": "n=${{ args.n }} x=${{ args.x }} s=${{ args.s }} z=${{ null }} b=${{ true }} d=${{ new Date(0) }}",
        "two": "${{ 1 }}${{ 2 }}",
        "padded": " ${{ 1 }}",
        "list": ["${{ args.none }}", "plain", 5, None, {"gone": "${{ args.none }}", "1": "${{ 1 }}"}],
        "gone": "${{ undefined }}",
    }
    assert desk(None, template, args={"x": {"q": [1]}, "n": 1.5, "s": '"quoted" ü'}).variables == {
        "whole": {"q": [1]},
        "block": {"q": [1]},
        "part": 'n=1.5 x={"q":[1]} s="quoted" ü z=null b=true d=1970-01-01T00:00:00.000Z',
        "two": "12",
        "padded": " 1",
        "list": [None, "plain", 5, None, {"1": 1}],
    }


def test_json_inside_a_text_may_hold_any_character(desk):
    value = {"k": 'a"b\\c\u2028ü\U0001f600\x7f'}
    filled = desk(None, {"t": "<${{ args.v }}>"}, args={"v": value}).variables["t"]
    assert filled == '<{"k":"a\\"b\\\\c\u2028ü\U0001f600\x7f"}>'


@given(st.lists(st.text(alphabet="ab ${}'\"`/\\\n"), min_size=1, max_size=5))
def test_splitting_loses_nothing(texts):
    text = "".join(texts)
    try:
        parts = split(text)
    except Unclosed:
        assert "${{" in text
        return
    rebuilt = "".join("${{" + part.source + "}}" if isinstance(part, Piece) else part for part in parts)
    assert rebuilt == text.removesuffix("\n") if len(parts) == 1 and isinstance(parts[0], Piece) else rebuilt == text


@given(st.text(alphabet="ab${} "))
def test_what_is_filled_in_is_not_looked_at_again(value):
    template = {"a": "${{ x }}", "b": ["-${{ y }}-"], "c": "${{ z }}"}
    assert [piece.kind for _, piece in pieces(template)] == ["v", "t", "v"]
    assert fill(template, iter([value, value, UNDEFINED])) == {"a": value, "b": [f"-{value}-"]}


def test_places_count_in_the_string():
    ((path, piece),) = pieces({"a": ["x\n  ${{ b }}"]})
    assert (path, piece.line, piece.column) == (("a", 0), 2, 6)
