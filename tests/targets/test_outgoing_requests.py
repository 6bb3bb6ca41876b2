"""What an http or graphql target sends, and what it makes of the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.expressions.templates import Detour
from hub.expressions.templates import fill as evaluated
from hub.model.errors import BadInput
from hub.model.executor import GraphqlTarget, HttpTarget
from hub.targets.outgoing import Fetched
from hub.targets.request import CallFailed, CallRefused, answer_of, graphql_answer, request_of, template

SECRET = "s3cr3t-canary"


def reveal(text: str) -> str:
    """As the project's own files are filled in."""
    return text.replace("${secret:ERP}", SECRET).replace("${env:BASE}", "https://erp.example")


def args_for(target: HttpTarget | GraphqlTarget, *values: Any) -> Any:
    """The arguments that these values of the `${{ }}` come to."""
    return evaluated(template(target), iter(values))


ORDER = HttpTarget(
    "${env:BASE}/orders/${{ args.id }}",
    "PUT",
    {"Authorization": "Bearer ${secret:ERP}", "X-Total": "${{ args.total }}"},
    {"order": "${{ args.order }}", "key": "${secret:ERP}"},
)


def test_references_are_filled_in_and_values_stand_as_they_came() -> None:
    args = args_for(ORDER, "17", "120", {"id": 17})
    assert SECRET not in json.dumps(args)
    request = request_of(ORDER, args, reveal, "run/call")
    assert (request.method, request.url) == ("PUT", "https://erp.example/orders/17")
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["x-total"] == "120"
    assert request.headers["idempotency-key"] == "run/call"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"order": {"id": 17}, "key": SECRET}
    assert SECRET not in repr(request)


@given(
    st.sampled_from(["", "a", "$", "${", "${secret:", "x${secret:"]), st.sampled_from(["", "}", "ERP}", "secret:ERP}"])
)
def test_no_value_of_an_event_becomes_a_secret(before: str, after: str) -> None:
    value = f"{before}${{secret:ERP}}{after}"
    for place in range(3):
        values = ["17", "120", "y"]
        args = args_for(ORDER, *values)
        if place == 0:  # a text that has references of its own cannot tell them apart
            with pytest.raises(Detour):
                args_for(ORDER, value, *values[1:])
            args["url"] = f"${{env:BASE}}/orders/{value}"  # as somebody who resumes may write it
            with pytest.raises(BadInput, match="looks like a reference"):
                request_of(ORDER, args, reveal, "k")
            continue
        values[place] = value
        args = args_for(ORDER, *values)
        request = request_of(ORDER, args, reveal, "k")
        assert request.url.count(SECRET) == 0
        assert request.headers["x-total"].count(SECRET) == 0
        assert json.loads(request.body)["order"] == values[2]


BEYOND = [
    "a/b",
    "/",
    "..",
    ".",
    "%2e%2E",
    "a?b=c",
    "a&b=c",
    "#",
    "x y",
    "é",
    "@evil.example",
    "\\",
    "[::1]",
    "%",
    "%zz",
    "\n",
]
WITHIN = ["17", "", "a-b_c.d~e", "2026-03-29T01:00:00Z", "a%2Fb", "...", "x,y", "-5", "null", "q=="]


@pytest.mark.parametrize("value", BEYOND)
@pytest.mark.parametrize(
    "url", ["https://x.example/a/${{ v }}", "https://x.example/?q=${{ v }}", "https://${{ v }}.x.example"]
)
def test_a_value_does_not_change_where_an_address_leads(url: str, value: str) -> None:
    for target in (HttpTarget(url), GraphqlTarget(url, "{ x }")):
        with pytest.raises(Detour, match="the value of v "):
            args_for(target, value)


@pytest.mark.parametrize("value", WITHIN)
def test_a_value_that_is_a_part_of_an_address_stands_there(value: str) -> None:
    assert args_for(HttpTarget("https://x.example/a/${{ v }}?q=1"), value)["url"] == f"https://x.example/a/{value}?q=1"


def test_what_becomes_of_an_address_is_a_text_and_nothing_else() -> None:
    for url in ("https://x.example/a", "https://x.example/${{ v }}", "${{ v }}"):
        assert type(args_for(HttpTarget(url), "a")["url"]) is str


def test_what_an_address_begins_with_may_be_more_than_a_part_of_it() -> None:
    assert args_for(HttpTarget("${{ v }}"), "https://x.example/a?b=c")["url"] == "https://x.example/a?b=c"
    both = HttpTarget("${{ base }}/orders/${{ v }}")
    assert args_for(both, "https://x.example/api", "17")["url"] == "https://x.example/api/orders/17"
    with pytest.raises(Detour, match="the value of v "):
        args_for(both, "https://x.example/api", "../orders/17")


@pytest.mark.parametrize(
    ("body", "kind", "sent"),
    [
        (None, None, b""),
        ("hello ${{ x }}", "text/plain; charset=utf-8", b"hello you"),
        ("${{ x }}", "text/plain; charset=utf-8", b"you"),
        ({"a": "${{ x }}"}, "application/json", b'{"a":"you"}'),
        ([1, None], "application/json", b"[1,null]"),
    ],
)
def test_bodies(body: Any, kind: str | None, sent: bytes) -> None:
    target = HttpTarget("https://x.example", body=body)
    request = request_of(target, args_for(target, "you"), reveal, "k")
    assert (request.headers.get("content-type"), request.body) == (kind, sent)


@pytest.mark.parametrize(
    "headers",
    [{"Host": "other.example"}, {"Content-Length": "3"}, {"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "ü"}, {"X": "a\x00"}],
)
def test_headers_that_are_not_sent(headers: dict[str, str]) -> None:
    target = HttpTarget("https://x.example", headers=headers)
    with pytest.raises(BadInput, match="the header"):
        request_of(target, args_for(target), reveal, "k")


def test_a_key_of_the_file_s_own_comes_first() -> None:
    target = HttpTarget("https://x.example", headers={"Idempotency-Key": "order-${{ args.id }}"})
    assert request_of(target, args_for(target, "7"), reveal, "k").headers["idempotency-key"] == "order-7"


@pytest.mark.parametrize(
    ("variables", "value", "sent"),
    [
        (None, None, {}),
        ({"id": "${{ args.id }}"}, 7, {"id": 7}),
        ("({ id: args.id })", {"id": 7}, {"id": 7}),
        ("JSON.stringify({ id: 7 })", '{"id": 7}', {"id": 7}),
    ],
)
def test_graphql_sends_query_and_variables(variables: Any, value: Any, sent: Any) -> None:
    target = GraphqlTarget("https://x.example/graphql", "query($id: ID) { order(id: $id) { total } }", variables)
    request = request_of(target, args_for(target, value), reveal, "k")
    assert request.method == "POST"
    assert json.loads(request.body) == {"query": target.query, "variables": sent}


@pytest.mark.parametrize("value", [[1], "text", 7])
def test_graphql_variables_are_an_object(value: Any) -> None:
    target = GraphqlTarget("https://x.example/graphql", "{ a }", "args.x")
    with pytest.raises(BadInput, match="variables"):
        request_of(target, args_for(target, value), reveal, "k")


def fetched(status: int, body: bytes = b"", **headers: str) -> Fetched:
    return Fetched(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (fetched(200, b'{"a": 1}', content_type="application/json; charset=utf-8"), {"a": 1}),
        (fetched(201, b'{"a": 1}', content_type="application/problem+json"), {"a": 1}),
        (fetched(200, b"{", content_type="application/json"), "{"),
        (fetched(200, b"fine", content_type="text/plain"), "fine"),
        (fetched(200, b"\xff\xfe"), {"base64": "//4="}),
        (fetched(204), ""),
    ],
)
def test_good_answers(answer: Fetched, body: Any) -> None:
    assert answer_of(answer, "https://x")["body"] == body


def test_cookies_are_not_kept() -> None:
    result = answer_of(fetched(200, set_cookie="session=canary", x_id="7"), "https://x")
    assert result["headers"] == {"x-id": "7"}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_answers_that_may_be_better_another_time(status: int) -> None:
    with pytest.raises(CallFailed, match=f"https://x answered {status}") as caught:
        answer_of(fetched(status, retry_after="7"), "https://x")
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("status", [301, 304, 400, 401, 404, 409, 422])
def test_answers_that_will_not(status: int) -> None:
    with pytest.raises(CallRefused):
        answer_of(fetched(status), "https://x")


@pytest.mark.parametrize(
    "body", [{"errors": [{"message": "no such order"}], "data": None}, {"data": 1, "errors": ["no such order"]}]
)
def test_errors_of_graphql_are_failures(body: Any) -> None:
    with pytest.raises(CallRefused, match="no such order"):
        graphql_answer({"body": body}, "https://x")


def test_what_is_not_graphql() -> None:
    for body in ("<html>", None, {}, []):
        with pytest.raises(CallRefused, match="GraphQL"):
            graphql_answer({"body": body}, "https://x")
