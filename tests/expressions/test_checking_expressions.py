"""Syntax errors, found without running anything."""

from __future__ import annotations

import os
import signal

import pytest

from hub.expressions import check_expression, check_variables, checking

FINE = [
    "({ orderId: context.event.data.id })",
    "JSON.stringify(args.body)",
    "args.newRecord.total > 100",
    "{ a: 1 }",
    "a, b",
    "a // comment",
    "/* c */ a",
    "x => ({ x })",
    "(() => { for (;;); })()",
    "a\n  .b\n  .c",
    "`${ a }`",
    "'%s' % 2",
    "while_",
]
FAULTY = {
    "": 1,
    "   ": 1,
    "foo(": 5,
    "a) ; (b": None,
    "a), (b": None,
    "a] , [b": 2,
    "1)}); evil(); (function () { return (1": None,
    "})(); (function () {": 1,
    "a /*": 3,
    "a; b": 2,
    "...a": 1,
    "`a": None,
    "'a": None,
    "return 1": None,
    "var a = 1": 1,
    "import.meta": None,
    "await 1": None,
    "//": 1,
    "a */ b": None,
    "(" * 5000: None,
    "[" * 60_000: None,
}


@pytest.mark.parametrize("text", FINE)
def test_an_expression_compiles(text):
    assert check_expression(text) is None
    assert check_variables(text) == []


@pytest.mark.parametrize("text", FAULTY, ids=lambda text: repr(text[:40]))
def test_what_is_no_expression_is_told(text):
    error = check_expression(text)
    assert error is not None
    assert str(error)
    lines = text.split("\n")
    if error.line is not None:
        assert error.line == 1 <= error.column <= len(lines[0]) + 2
    assert [path for path, _ in check_variables(text)] == [()]


def test_the_place_is_that_of_the_text():
    error = check_expression("a +\n  ({ b: 1 ]")
    assert (error.line, error.column) == (2, 11)
    end = check_expression("foo(")
    assert (end.line, end.column) == (1, 5)
    assert str(end) == "SyntaxError: the expression ends where more of it has to come"
    assert "')'" in str(check_expression("foo(1 +)")), "that one is the author's own"


def test_a_mapping_is_checked_string_by_string():
    variables = {
        "good": "${{ args.a }} and ${{ args.b }}",
        "text": "no expression; at all (",
        "bad": "x ${{ 1 + }}",
        "deep": [{"open": "line\n ${{ a"}, "${{ ) }}", 5, None],
    }
    faults = {path: (error.line, error.column) for path, error in check_variables(variables)}
    assert faults == {("bad",): (1, 11), ("deep", 0, "open"): (2, 2), ("deep", 1): (1, 5)}
    assert check_variables(None) == []
    assert check_variables({"a": "${{ 1 }}"}) == []


def test_checking_goes_on_after_its_process_was_ended():
    assert check_expression("1") is None
    os.kill(checking._children[0].pid, signal.SIGKILL)
    assert check_expression("1 +") is not None
    assert check_expression("1") is None
