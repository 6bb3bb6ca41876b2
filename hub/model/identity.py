"""Who acts: machine users, their permissions, and the one question that is asked of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

ADMIN = "admin"

_PERMISSION = re.compile(r"admin|[a-z][a-z-]*:(?:[a-z][a-z-]*|\*)(?::[^\s:]+)?")

PERMISSION_RULE = '"admin", or resource:action with an optional :name-glob, such as "workflow:start:order-*"'


def is_permission(text: str) -> bool:
    return _PERMISSION.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class MachineUser:
    """A non-human identity of one auth namespace."""

    auth_namespace: str
    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    permissions: tuple[str, ...] = ()

    def may(self, action: str, name: str) -> bool:
        """Whether this user may do `action` ("workflow:start") to the object called `name`. Deny by default."""
        return any(_grants(permission, action, name) for permission in self.permissions)

    def as_json(self) -> dict[str, Any]:
        """The public shape of an invoker."""
        return {
            "type": "machine_user",
            "auth_namespace": self.auth_namespace,
            "name": self.name,
            "attributes": dict(self.attributes),
        }


@dataclass(frozen=True, slots=True)
class InvokerRef:
    """A machine user as an executor or a caller names it."""

    auth_namespace: str
    name: str


def _grants(permission: str, action: str, name: str) -> bool:
    if permission == ADMIN:
        return True
    resource, _, rest = permission.partition(":")
    verb, _, glob = rest.partition(":")
    wanted_resource, _, wanted_verb = action.partition(":")
    return resource == wanted_resource and verb in (wanted_verb, "*") and (not glob or fnmatchcase(name, glob))
