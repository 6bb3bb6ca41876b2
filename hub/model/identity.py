"""Who acts, and the one question that is asked of them: may they do this, to that?

A `Principal` is whoever asks a hub for something: a machine user, a person at the console, the operator of this machine at the
command line, or nobody. An execution acts as a `MachineUser`, its invoker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol

ADMIN = "admin"

_PERMISSION = re.compile(r"admin|[a-z][a-z-]*:(?:[a-z][a-z-]*|\*)(?::[^\s:]+)?")

PERMISSION_RULE = '"admin", or resource:action with an optional :name-glob, such as "workflow:start:order-*"'

#: What people at the console may do, by their role. The actions are those of `hub.model.actions`.
ROLES: Mapping[str, tuple[str, ...]] = {
    "viewer": (
        "executor:read",
        "workflow:read",
        "execution:read",
        "execution:logs",
        "event:read",
        "wait-point:read",
        "schedule:read",
        "webhook:read",
        "machine-user:read",
        "metrics:read",
        "node:read",
    ),
    "operator": (
        "executor:read",
        "executor:trigger",
        "executor:pause",
        "workflow:read",
        "workflow:start",
        "execution:*",
        "event:*",
        "wait-point:*",
        "schedule:read",
        "webhook:*",
        "machine-user:read",
        "machine-user:act-as",
        "metrics:read",
        "node:read",
        "audit:read",
    ),
    "admin": (ADMIN,),
}


class Holder(Protocol):
    """Whoever holds permissions."""

    @property
    def permissions(self) -> tuple[str, ...]: ...


def allows(holder: Holder, action: str, name: str | None) -> bool:
    """Whether they may do `action` ("workflow:start") to the object called `name`. Deny by default.

    None asks whether there is any name at all for which they may; "" is the name of what has none.
    """
    return granting(holder, action, name) is not None


def granting(holder: Holder, action: str, name: str | None) -> str | None:
    """The first of their permissions that lets them; None when none does."""
    return next((permission for permission in holder.permissions if _grants(permission, action, name)), None)


def covers(own: str, wanted: str) -> bool:
    """Whether whoever has the permission `own` has everything that `wanted` gives."""
    if own in (ADMIN, wanted):
        return True
    if wanted == ADMIN:
        return False
    resource, verb, glob = _parts(own)
    wanted_resource, wanted_verb, wanted_glob = _parts(wanted)
    # Globs are compared only where that is certain: a plain prefix with a star behind it.
    prefix = glob.removesuffix("*")
    is_prefix = glob != prefix and not set(prefix) & set("*?[")
    wider = glob == wanted_glob or (is_prefix and wanted_glob.startswith(prefix))
    return resource == wanted_resource and verb in ("*", wanted_verb) and wider


def is_permission(text: str) -> bool:
    return _PERMISSION.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks for something, with the permissions that they have at this moment."""

    kind: Literal["machine_user", "person", "local", "anonymous"]
    name: str = ""
    auth_namespace: str = ""
    permissions: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Who it was, for records: `machine-user:main-auth/bot`, `person:ada`, `cli:root`, `anonymous`."""
        match self.kind:
            case "machine_user":
                return f"machine-user:{self.auth_namespace}/{self.name}"
            case "person":
                return f"person:{self.name}"
            case "local":
                return f"cli:{self.name}"
            case "anonymous":
                return "anonymous"

    def __str__(self) -> str:
        """Who it is, for sentences."""
        match self.kind:
            case "machine_user":
                return f"machine user {self.auth_namespace}/{self.name}"
            case "person":
                return self.name
            case "local":
                return f"{self.name} at this machine"
            case "anonymous":
                return "somebody who is not signed in"


#: Nobody in particular: may nothing.
ANONYMOUS = Principal("anonymous")


def local(name: str) -> Principal:
    """The operator of this machine: whoever can read and write the project's files and its store may everything."""
    return Principal("local", name, permissions=(ADMIN,))


def person(name: str, role: str) -> Principal:
    """Somebody who has signed in. A role that there is not gives nothing."""
    return Principal("person", name, permissions=ROLES.get(role, ()), attributes={"role": role})


@dataclass(frozen=True, slots=True)
class MachineUser:
    """A non-human identity of one auth namespace."""

    auth_namespace: str
    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    permissions: tuple[str, ...] = ()

    @property
    def principal(self) -> Principal:
        return Principal("machine_user", self.name, self.auth_namespace, self.permissions, self.attributes)

    def may(self, action: str, name: str | None) -> bool:
        """Whether this user may do `action` ("workflow:start") to the object called `name`. Deny by default."""
        return allows(self, action, name)

    def as_json(self) -> dict[str, Any]:
        """The public shape of an invoker."""
        return {
            "type": "machine_user",
            "auth_namespace": self.auth_namespace,
            "name": self.name,
            "attributes": dict(self.attributes),
        }


def by_namespace(users: Iterable[MachineUser]) -> dict[str, dict[str, MachineUser]]:
    """Machine users by auth namespace and name; of two with the same ones the last."""
    found: dict[str, dict[str, MachineUser]] = {}
    for user in users:
        found.setdefault(user.auth_namespace, {})[user.name] = user
    return found


@dataclass(frozen=True, slots=True)
class InvokerRef:
    """A machine user as an executor or a caller names it."""

    auth_namespace: str
    name: str


def _grants(permission: str, action: str, name: str | None) -> bool:
    if permission == ADMIN:
        return True
    resource, _, rest = permission.partition(":")
    verb, _, glob = rest.partition(":")
    wanted_resource, _, wanted_verb = action.partition(":")
    if resource != wanted_resource or verb not in (wanted_verb, "*"):
        return False
    return not glob or name is None or fnmatchcase(name, glob)


def _parts(permission: str) -> tuple[str, str, str]:
    resource, _, rest = permission.partition(":")
    verb, _, glob = rest.partition(":")
    return resource, verb, glob or "*"
