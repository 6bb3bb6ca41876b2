"""The OpenAPI 3.1 document, made from the declared operations: what is in it is what the routes do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from hub.api.operations import JSON_BODY, PUBLIC, Operation, Parameter
from hub.api.schemas import COMPONENTS, TEXT, ref
from hub.model.actions import ACTIONS

_ABOUT = (
    "Executors, workflows, executions and events of one hub. Every route but those that say so needs a bearer token, which "
    "`POST /oauth2/token` gives to machine users; each names the permission that it takes. Errors are problem documents."
)

#: What a status tells wherever an operation does not say more.
_REASONS: Mapping[int, str] = {
    400: "The request cannot be read: an unknown or ill-formed parameter, a body that is not JSON.",
    401: "There is no valid bearer token.",
    403: "Whoever holds the token may not do this.",
    404: "There is no such thing.",
    413: "The body is larger than 1 MiB.",
    414: "Path and query are longer than 8 KiB.",
    415: "The body is not application/json.",
    422: "The body, or what it asks for, does not have the shape that is asked for.",
    429: "Too many wrong tokens came from there; Retry-After says when to come back.",
    503: "The store could not be asked in time, or takes nothing more at this moment. Try again later.",
}
#: 503 to whoever asked for a change.
_UNKNOWN = (
    "The store did not answer in time. What was asked for may have been done, or be done yet: look before asking again."
)

#: Statuses that tell of what an operation itself refuses, and not of the request or of the hub.
_OWN_REFUSALS = frozenset({400, 401, 429})


def statuses_of(operation: Operation) -> dict[int, str]:
    """Every status besides success that an operation may give, with the reason."""
    usual: list[int] = []
    if operation.query or operation.body is not None or operation.method != "GET":
        usual.append(400)
    if operation.action != PUBLIC:
        usual += [401, 403, 429, *([] if operation.storeless else [503])]
    if operation.in_path:
        usual.append(404)
    if operation.in_path or operation.query:
        usual.append(414)
    if operation.body is not None and operation.body_type == JSON_BODY:
        usual += [413, 415, 422]
    elif operation.method != "GET":
        usual.append(413)
    reasons = _REASONS if operation.method == "GET" else {**_REASONS, 503: _UNKNOWN}
    return dict(sorted({**{status: reasons[status] for status in usual}, **operation.problems}.items()))


def document(operations: Iterable[Operation], url: str) -> dict[str, Any]:
    """The document for a hub that is reached at `url`."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "hub", "version": "1", "description": _ABOUT},
        "servers": [{"url": url}],
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(COMPONENTS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    parts = operation.path.split("/")
    made: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [parts[3] if operation.path.startswith("/api/") else "hub"],
        "parameters": [
            *[
                {"name": name, "in": "path", "required": True, "schema": dict(operation.path_schemas.get(name, TEXT))}
                for name in operation.in_path
            ],
            *[_parameter(one) for one in operation.query],
        ],
        "responses": {
            str(operation.status): _answer(operation),
            **{str(status): _refusal(operation, status, text) for status, text in statuses_of(operation).items()},
        },
    }
    if operation.action == PUBLIC:
        made["security"] = []
    else:
        made["description"] = f"Takes the permission `{operation.action}`: to {ACTIONS[operation.action]}."
        made["x-permission"] = operation.action
    if operation.body is not None:
        needed = bool(operation.body.get("required"))
        made["requestBody"] = {
            "required": needed,
            "content": {operation.body_type: {"schema": dict(operation.body)}},
        }
    return made


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _answer(operation: Operation) -> dict[str, Any]:
    schema = {} if operation.answer is None else {"schema": dict(operation.answer)}
    return {"description": HTTPStatus(operation.status).phrase, "content": {operation.answer_type: schema}}


def _refusal(operation: Operation, status: int, text: str) -> dict[str, Any]:
    if operation.refused is None or status not in _OWN_REFUSALS:
        return _problem(text)
    return {"description": text, "content": {JSON_BODY: {"schema": dict(operation.refused)}}}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/problem+json": {"schema": ref("Problem")}}}
