"""From the call that an executor writes to the request that is sent. Pure.

What `${{ }}` gives is part of the stored arguments; `${secret:NAME}` and `${env:NAME}` stay there as they are written and
are filled in only where the file has them, when the request is made. A value of an event that looks like a reference is a
text, or the call is refused: nobody outside gets a secret by naming it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.declare.secrets import references
from hub.expressions.templates import AddressTemplate
from hub.model.errors import BadInput, HubError
from hub.model.executor import GraphqlTarget, HttpTarget
from hub.model.values import canonical
from hub.targets.outgoing import Fetched

#: Headers that belong to the connection, or to the client.
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
#: Headers of answers that are as good as a password.
_HIDDEN = frozenset({"set-cookie", "authorization", "proxy-authorization", "www-authenticate"})
_AGAIN = frozenset({408, 425, 429})
_GOOD = range(200, 300)
_FAULTS = range(500, 600)

Fill = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """What goes out."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class CallFailed(HubError):
    """The other side answered that it did not do it. `retry_after` is what it asked for, in seconds."""

    retryable = True

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(message)


class CallRefused(BadInput):
    """The other side says that this call is wrong: sent again it would be, too."""


def template(target: HttpTarget | GraphqlTarget) -> dict[str, Any]:
    """What is evaluated for each event; the value is the arguments of the execution."""
    url = AddressTemplate(target.url)
    if isinstance(target, HttpTarget):
        return {"method": target.method, "url": url, "headers": dict(target.headers), "body": target.body}
    variables = target.variables
    if isinstance(variables, str):
        variables = {"": "${{" + variables + "}}"}  # the value may be undefined, and then is left out
    return {"url": url, "headers": dict(target.headers), "query": target.query, "variables": variables}


def request_of(target: HttpTarget | GraphqlTarget, args: Mapping[str, Any], fill: Fill, key: str) -> OutgoingRequest:
    """The request of one execution. `key` is sent as Idempotency-Key unless the file has one of its own.

    Raises BadInput for values that no request can hold.
    """
    filled = _filled(template(target), dict(args), fill, ())
    headers = _headers(filled.get("headers") or {})
    if isinstance(target, HttpTarget):
        method, (kind, body) = target.method, _body(filled.get("body"))
    else:
        method = "POST"
        kind, body = "application/json", canonical(_graphql(target, filled)).encode()
        headers.setdefault("accept", "application/graphql-response+json, application/json")
    if kind is not None:
        headers.setdefault("content-type", kind)
    headers.setdefault("idempotency-key", key)
    headers.setdefault("user-agent", "hub")
    if not isinstance(filled.get("url"), str):
        raise BadInput("the url did not come out as a text.")
    return OutgoingRequest(method, filled["url"], headers, body)


def answer_of(answer: Fetched, where: str) -> dict[str, Any]:
    """An answer as the execution's result: {status, headers, body}, with the body parsed where it is JSON.

    Raises CallFailed when it may go better another time, CallRefused when it will not.
    """
    if answer.status not in _GOOD:
        said = f"{where} answered {answer.status}."
        if answer.status in _AGAIN or answer.status in _FAULTS:
            raise CallFailed(said, answer.status, _seconds(answer.headers.get("retry-after", "")))
        raise CallRefused(said)
    shown = {name: value for name, value in answer.headers.items() if name.lower() not in _HIDDEN}
    return {"status": answer.status, "headers": shown, "body": _read(answer)}


def graphql_answer(result: dict[str, Any], where: str) -> dict[str, Any]:
    """The same, when what was called speaks GraphQL. Raises CallRefused with the first of its errors."""
    body = result["body"]
    if not isinstance(body, dict) or ("data" not in body and "errors" not in body):
        raise CallRefused(f"{where} did not answer as a GraphQL server does.")
    errors = body.get("errors")
    if errors:
        first = errors[0] if isinstance(errors, list) else errors
        message = first.get("message") if isinstance(first, dict) else first
        raise CallRefused(f"{where} answered with an error: {message}")
    return result


def _filled(written: Any, value: Any, fill: Fill, where: tuple[str | int, ...]) -> Any:
    """`value` with the references of `written` filled in, at the places where `written` has them and nowhere else."""
    if isinstance(written, str):
        wanted = [(kind, name) for _, kind, name in references(written)]
        if not wanted:
            return value
        if not isinstance(value, str) or [(kind, name) for _, kind, name in references(value)] != wanted:
            raise BadInput(f"a value that was put into {_dotted(where)} looks like a reference to a secret.")
        return fill(value)
    if isinstance(written, Mapping) and isinstance(value, Mapping):
        return {
            key: _filled(written[key], item, fill, (*where, key)) if key in written else item
            for key, item in value.items()
        }
    if isinstance(written, list | tuple) and isinstance(value, list):
        return [
            _filled(written[index], item, fill, (*where, index)) if index < len(written) else item
            for index, item in enumerate(value)
        ]
    return value


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    """By lower-case name. Raises BadInput for a value that would be more than one header."""
    headers: dict[str, str] = {}
    for name, value in given.items():
        if value is None:
            continue
        text = value if isinstance(value, str) else canonical(value)
        if name.lower() in OURS:
            raise BadInput(f"the header {name} is the hub's own matter; leave it out.")
        if not text.isascii() or not text.replace("\t", " ").isprintable():
            raise BadInput(f"the header {name} did not come out as one line of ASCII.")
        headers[name.lower()] = text.strip()
    return headers


def _body(value: Any) -> tuple[str | None, bytes]:
    """Its usual content type, and the bytes."""
    if value is None:
        return None, b""
    if isinstance(value, str):
        return "text/plain; charset=utf-8", value.encode(errors="replace")
    return "application/json", canonical(value).encode()


def _graphql(target: GraphqlTarget, filled: Mapping[str, Any]) -> dict[str, Any]:
    variables = filled.get("variables")
    if isinstance(target.variables, str):
        variables = (variables or {}).get("")
        if isinstance(variables, str):  # the result of an expression that is a text is read as JSON
            try:
                variables = json.loads(variables)
            except ValueError:
                raise BadInput("the variables came out as a text that is not JSON.") from None
    if variables is not None and not isinstance(variables, Mapping):
        raise BadInput("the variables did not come out as an object.")
    return {"query": filled.get("query", target.query), "variables": variables or {}}


def _read(answer: Fetched) -> Any:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return json.loads(answer.body) if answer.body else None
        except (ValueError, RecursionError):
            pass  # as text then: the call was made, and its answer is kept
    try:
        return answer.body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(answer.body).decode()}


def _seconds(text: str) -> float | None:
    """Retry-After in its plain form (RFC 9110, 10.2.3); a date is left to the policy's own wait."""
    return float(text) if text.isascii() and text.isdigit() else None


def _dotted(where: tuple[str | int, ...]) -> str:
    return ".".join(map(str, where)) or "the call"
