"""What executions see of the installation: plain values, machine users, databases, secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.model.errors import BadInput, Conflict, NotFound, Refused
from hub.model.hiding import Hiding
from hub.model.identity import InvokerRef, MachineUser, covers
from hub.store.databases import Database


def _not_noted(_user: MachineUser, _action: str, _name: str) -> None:
    """Nobody counts."""


def _no_secret(name: str) -> str:
    raise NotFound("secret", name)


def _no_http(_key: str, _plain: bool, _calls: Callable[[str], None]) -> Any:
    raise Conflict("there is no HTTP client here: this engine was put together without one.")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Handed to the engine by the composition root; replaced as a whole when files change."""

    env: Mapping[str, Any] = field(default_factory=dict)
    #: Auth namespace -> name -> machine user, with the permissions that it has now.
    machine_users: Mapping[str, Mapping[str, MachineUser]] = field(default_factory=dict)
    databases: Mapping[str, Database] = field(default_factory=dict)
    #: The value of a secret. Raises NotFound.
    secret: Callable[[str], str] = _no_secret
    #: An HTTP client that sends this idempotency key: a blocking one for plain jobs. It tells host and port of whatever it calls.
    #: The engine closes it after the try.
    http: Callable[[str, bool, Callable[[str], None]], Any] = _no_http
    #: Secrets that were given away, and must not be kept or shown.
    hiding: Hiding = field(default_factory=Hiding)
    #: Told of each right that an execution makes use of: by whom, the action, the name of the object.
    used: Callable[[MachineUser, str, str], None] = _not_noted

    def machine_user(self, ref: InvokerRef) -> MachineUser:
        """As it is now. Raises NotFound with the closest name."""
        users = self.machine_users.get(ref.auth_namespace)
        if users is None:
            raise NotFound("auth namespace", ref.auth_namespace, self.machine_users)
        if ref.name not in users:
            raise NotFound(f"machine user in {ref.auth_namespace}", ref.name, users)
        return users[ref.name]

    def named_user(self, name: str, namespace: str | None = None) -> MachineUser:
        """By name alone, or within a namespace. Raises NotFound, or BadInput when several namespaces have one."""
        if namespace is not None:
            return self.machine_user(InvokerRef(namespace, name))
        found = [users[name] for users in self.machine_users.values() if name in users]
        if not found:
            raise NotFound("machine user", name, {known for users in self.machine_users.values() for known in users})
        if len(found) > 1:
            spaces = ", ".join(sorted(user.auth_namespace for user in found))
            raise BadInput(f'"{name}" is a machine user in {spaces}: say which namespace.')
        return found[0]

    def database(self, name: str) -> Database:
        """Raises NotFound with the closest name."""
        if name not in self.databases:
            raise NotFound("database", name, self.databases)
        return self.databases[name]

    def allow(self, invoker: MachineUser | None, action: str, name: str) -> None:
        """Raise Refused unless the invoker may do `action` to `name`. Anonymous may nothing that is protected."""
        if invoker is None:
            raise Refused("an anonymous execution", f"{action}:{name}")
        if not invoker.may(action, name):
            raise Refused(f"machine user {invoker.auth_namespace}/{invoker.name}", f"{action}:{name}")
        self.used(invoker, action, name)

    def allow_database(self, invoker: MachineUser | None, name: str, *, write: bool) -> None:
        """Raise Refused unless the invoker may read the database, or write to it. Who may write may read."""
        reads = invoker is not None and not write and not invoker.may("database:write", name)
        if reads and invoker is not None and invoker.may("database:read", name):
            self.allow(invoker, "database:read", name)
        else:
            self.allow(invoker, "database:write", name)

    def refuse_more_rights(self, running: MachineUser, other: MachineUser) -> None:
        """Raise Refused when `other` may do something that `running` may not."""
        for permission in other.permissions:
            if not any(covers(own, permission) for own in running.permissions):
                raise Refused(f"machine user {running.auth_namespace}/{running.name}", permission)

    def invoker(self, stored: str | None) -> MachineUser | None:
        """The machine user behind an execution's stored invoker, with its rights as they are now."""
        if stored is None:
            return None
        found = json.loads(stored)
        return self.machine_user(InvokerRef(found["auth_namespace"], found["name"]))
