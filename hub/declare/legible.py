"""What can still be read of a file that has problems, so that the rest of it is judged in the same go.

Nothing of it ever takes effect. What was refused is left out, with as much around it as depends on it, and what must not be missing
is stood in for by something of which there is nothing to say: one mistake is told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from hub.declare.checking import refused
from hub.declare.config import Config
from hub.declare.document import Document, Where
from hub.declare.secrets import Secret
from hub.model.identity import ADMIN, MachineUser, is_permission
from hub.model.names import closest, is_name

#: Below these everything belongs together: half a `verify`, or half an invoker, would be taken for another one.
_DEEPEST = 3
#: What an executor needs, and something that stands for it.
_STAND_INS: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "trigger": (("event", "webhook", "schedule"), {"webhook": {}}),
    "target": (("workflow", "job", "http", "graphql"), {"http": {"url": "https://example.com"}}),
}
_INVOKED = ("workflow", "job")
_UNNAMED = "unnamed"


def legible_executor(value: Any, name: str, spoilt: Iterable[Where]) -> Mapping[str, Any]:
    """An executor's value that fits its schema. `name` is its file's, `spoilt` are places with problems that no schema knows."""
    left = deepcopy(value) if isinstance(value, dict) else {}
    found = list(spoilt)
    while True:
        for where in found:
            _take_out(left, where)
        _stand_in(left, name if is_name(name) else _UNNAMED)
        if not (found := list(refused(left, "executor"))):
            return left


def _take_out(value: dict[str, Any], where: Where) -> None:
    *path, last = where[:_DEEPEST]
    inner: Any = value
    for key in path:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(last, None)


def _stand_in(value: dict[str, Any], name: str) -> None:
    """A name, exactly one kind of trigger and of target, and an invoker where there has to be one."""
    value["name"] = name
    for part, (kinds, usual) in _STAND_INS.items():
        inner = value.get(part)
        if not isinstance(inner, dict):
            inner = value[part] = {}
        present = [kind for kind in kinds if kind in inner]
        for kind in present[1:]:
            del inner[kind]
        if not present:
            inner.update(deepcopy(dict(usual)))
    for kind in _INVOKED:
        target = value["target"].get(kind)
        if isinstance(target, dict):
            target.setdefault("invoker", "anonymous")


def legible_config(document: Document) -> Config | None:
    """The databases and machine users of a config/hub.yaml, for executors to be held against; None where they cannot be told."""
    value = document.value if isinstance(document.value, dict) else None
    databases, auth = _part(document, value, ("databases",)), _part(document, value, ("auth",))
    if databases is None or auth is None:
        return None
    users: dict[str, dict[str, MachineUser]] = {}
    for namespace, group in auth.items():
        named = _part(document, group or {}, ("auth", namespace, "machine_users"))
        if named is None:
            return None
        users[namespace] = {
            name: MachineUser(namespace, name, {}, tuple(_permissions(document, namespace, name, user or {})))
            for name, user in named.items()
        }
    return Config(databases=dict.fromkeys(databases, Secret("")), auth=users, positions=document.positions)


def _part(document: Document, inside: Any, where: Where) -> Mapping[str, Any] | None:
    """The mapping that a key stands for, `{}` where it is left out; None when it cannot be read, or may be misspelt."""
    key = where[-1]
    if not isinstance(inside, dict) or where[:-1] in document.incomplete or where in document.incomplete:
        return None
    if key not in inside:
        return None if closest(str(key), inside) else {}
    found = inside[key]
    if found is None and where not in document.holes:
        return {}
    return found if isinstance(found, dict) else None


def _permissions(document: Document, namespace: str, name: str, user: Any) -> Iterator[str]:
    """As many as are written. One that cannot be read may be any: nothing is said of what is missing then."""
    where: Where = ("auth", namespace, "machine_users", name)
    listed = user.get("permissions") if isinstance(user, dict) else None
    if isinstance(listed, list):
        yield from (one if isinstance(one, str) and is_permission(one) else ADMIN for one in listed)
    elif _part(document, user, (*where, "permissions")) is None:
        yield ADMIN
