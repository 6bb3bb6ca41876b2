"""What a face offers: one `Operation` a route, with everything that is known of it before anybody calls.

Routing, authorisation, the OpenAPI document and the remote command line are all made from these; nothing is said twice. No
HTTP here: a handler takes a `Call` and gives a JSON value, so that it can be called without a server too.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.client import Client
from hub.model.actions import ACTIONS
from hub.model.identity import ANONYMOUS, Principal

#: Instead of an action: whoever asks is answered.
PUBLIC = "public"

JSON_BODY = "application/json"

Schema = Mapping[str, Any]

_PATH = re.compile(r"(?:/(?:[a-z0-9][a-z0-9.-]*|\{[a-z_]+\}))+")
_IN_PATH = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query, or of a path."""

    name: str
    #: JSON Schema of its value: a string, an integer or a boolean.
    schema: Schema
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been let in."""

    #: Acts as the principal: its verbs ask whether they may.
    client: Client
    principal: Principal = ANONYMOUS
    path: Mapping[str, str] = field(default_factory=dict)
    #: Only what was given, and what has a default.
    query: Mapping[str, Any] = field(default_factory=dict)
    #: The JSON value of the body, which fits the operation's schema.
    body: Any = None
    #: How long a handler that could look on and on does so, in seconds: somebody waits for the answer.
    seconds: float = 6.0
    #: The HTTP request as the face has it; None when it is called without one.
    request: Any = None


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    #: `/api/v1/executions/{id}`.
    path: str
    #: Unique, for generated clients: `getExecution`.
    id: str
    summary: str
    #: What one must be allowed to do, one of `hub.model.actions`; or PUBLIC.
    action: str
    handle: Handler
    #: The parameter of the path that names the object which the action is done to. None: whoever may do it to anything at all
    #: is let in, and the client's verb asks about the object, which is known only then.
    names: str | None = None
    #: What the parameters of the path are, by name.
    path_schemas: Mapping[str, Schema] = field(default_factory=dict)
    query: tuple[Parameter, ...] = ()
    #: JSON Schema of the body; None: it takes none.
    body: Schema | None = None
    #: When it takes a body of another type than JSON.
    body_type: str = JSON_BODY
    status: int = 200
    #: JSON Schema of the answer.
    answer: Schema | None = None
    answer_type: str = JSON_BODY
    #: Answered from what the files say, without the store: it works when that does not.
    storeless: bool = False
    #: JSON Schema of its own refusals (400, 401, 429), where they are no problem documents.
    refused: Schema | None = None
    #: Further statuses that it may give, each with the reason. What every route of its kind may give need not be said.
    problems: Mapping[int, str] = field(default_factory=dict)

    @property
    def in_path(self) -> list[str]:
        """Names of the path's parameters."""
        return _IN_PATH.findall(self.path)


class Undeclared(Exception):
    """A route does not say who may use it, or says it wrongly. The hub does not start with such a one."""


def check_declared(operations: Iterable[Operation]) -> None:
    """Raise Undeclared for a route without a known action, a name that is not in its path, or one declared twice."""
    places: dict[tuple[str, str], str] = {}
    ids: set[str] = set()
    for one in operations:
        where = f"{one.method} {one.path}"
        if one.action != PUBLIC and one.action not in ACTIONS:
            raise Undeclared(f"{where}: {one.action!r} is no action; one of hub.model.actions, or PUBLIC.")
        if _PATH.fullmatch(one.path) is None:
            raise Undeclared(f"{where}: this is no path of lower-case words and {{parameters}}.")
        if one.names is not None and one.names not in one.in_path:
            raise Undeclared(f"{where}: its path has no parameter {one.names!r}.")
        if one.method == "GET" and one.body is not None:
            raise Undeclared(f"{where}: GET changes nothing and takes no body.")
        shape = _IN_PATH.sub("{}", one.path)
        if (one.method, shape) in places or one.id in ids:
            raise Undeclared(f"{where} ({one.id}) is declared twice.")
        places[one.method, shape] = one.id
        ids.add(one.id)
