"""config/hub.yaml as checked values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from hub.declare.checking import check
from hub.declare.document import Document, Where
from hub.declare.filling import Rules, Sources, filled
from hub.declare.reading import read_file
from hub.declare.secrets import Secret, load_secrets
from hub.model.durations import milliseconds
from hub.model.executor import Position, Problem
from hub.model.identity import PERMISSION_RULE, MachineUser, is_permission

CONFIG_FILE = "config/hub.yaml"
DEFAULT_STORE = "sqlite:///var/hub.db"

_DAY = 86_400_000
_SQLITE = "sqlite:///"
_NOBODY = "anonymous"
_SHORTEST_LEASE, _LONGEST_LEASE = 1_000, 3_600_000


@dataclass(frozen=True, slots=True)
class Server:
    #: Address that is listened on.
    host: str = "127.0.0.1"
    #: 0: any free one.
    port: int = 8700
    #: Under which senders of webhooks reach the hub, without a slash at its end. None: host and port.
    public_url: str | None = None
    #: Who may read /metrics: `token`, or `public`.
    metrics: str = "token"
    #: Addresses or networks of proxies whose X-Forwarded-For is believed.
    trusted_proxies: tuple[str, ...] = ()
    #: Whether floods of webhooks are taken in a process of their own, where there are two processors.
    side_door: bool = True


@dataclass(frozen=True, slots=True)
class EngineSettings:
    #: Executions that run at the same time; None: the engine's own default.
    max_running: int | None = None
    #: Milliseconds for which a node may be silent before others go on with its executions.
    lease: int = 15_000


@dataclass(frozen=True, slots=True)
class OutgoingSettings:
    """Calls of http and graphql targets."""

    #: Addresses or networks that are called although they are not public.
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished things are kept, in milliseconds."""

    events: int = 30 * _DAY
    executions: int = 90 * _DAY


@dataclass(frozen=True, slots=True)
class Config:
    """What one installation of the hub is told."""

    #: Address of the hub's own database. A `Secret`, because it may hold a password.
    store: Secret = field(default_factory=lambda: Secret(DEFAULT_STORE))
    #: Also where acknowledged writes can get lost.
    allow_unsafe: bool = False
    server: Server = Server()
    #: `env` in expressions and jobs: JSON values.
    env: Mapping[str, Any] = field(default_factory=dict)
    #: Name -> address of each watched database.
    databases: Mapping[str, Secret] = field(default_factory=dict)
    #: Auth namespace -> name -> machine user.
    auth: Mapping[str, Mapping[str, MachineUser]] = field(default_factory=dict)
    engine: EngineSettings = EngineSettings()
    retention: Retention = Retention()
    outgoing: OutgoingSettings = OutgoingSettings()
    #: Path of keys in the file -> where its value stands.
    positions: Mapping[Where, Position] = field(default_factory=dict, repr=False, compare=False)

    def machine_user(self, namespace: str, name: str) -> MachineUser | None:
        return self.auth.get(namespace, {}).get(name)

    def machine_users(self) -> tuple[MachineUser, ...]:
        """All of them, by namespace and name. A name may occur in several namespaces."""
        return tuple(user for _, users in sorted(self.auth.items()) for _, user in sorted(users.items()))

    def at(self, *where: str | int) -> Position:
        """Where a part stands in the file, or what encloses it."""
        return Document(CONFIG_FILE, positions=self.positions).at(where)


def load_config(root: Path, sources: Sources | None = None) -> tuple[Config | None, list[Problem]]:
    """The configuration of the project in `root`, or None and every problem. A missing file means the defaults.

    Without `sources` references are looked up in this process's environment and in config/secrets.yaml, whose problems are
    then reported too.
    """
    problems: list[Problem] = []
    if sources is None:
        secrets, problems = load_secrets(root)
        sources = Sources(os.environ, secrets)
    path = root / CONFIG_FILE
    if not path.exists():
        return (None if problems else Config()), problems
    config, found = parse_config(read_file(path, CONFIG_FILE), sources)
    return (None if problems else config), sorted({*problems, *found})


def parse_config(document: Document, sources: Sources) -> tuple[Config | None, list[Problem]]:
    """A read file as configuration, or None and why not."""
    problems = [*document.problems, *check(document, "config")]
    if not document.complete:
        return None, problems
    value, unfilled = filled(document, sources, RULES)
    problems += unfilled
    problems += _bad_store(value, document)
    problems += _bad_users(value, document)
    problems += _bad_permissions(value, document)
    problems += _bad_lease(value, document)
    problems += _bad_networks(value, document, "server", "trusted_proxies")
    problems += _bad_networks(value, document, "outgoing", "allow")
    return (None if problems else _config(value or {}, document)), sorted(set(problems))


def sqlite_path(url: str | Secret, root: Path) -> Path | None:
    """The file of a `sqlite:///` address: relative to the project, `sqlite:////` absolute.

    None when it is another database, or one in memory.
    """
    text = url.reveal() if isinstance(url, Secret) else url
    return None if not text.startswith(_SQLITE) or _in_memory(url) else root / text.removeprefix(_SQLITE)


def _in_memory(url: str | Secret) -> bool:
    return (url.reveal() if isinstance(url, Secret) else url) == f"{_SQLITE}:memory:"


def _may_be_secret(where: Where) -> bool:
    return where == ("store",) or (where[:1] == ("databases",) and where[-1:] == ("url",))


RULES = Rules(kind="config", late=lambda _: False, may_be_secret=_may_be_secret)


def _bad_permissions(value: Any, document: Document) -> Iterator[Problem]:
    for namespace, name, user in _users(value):
        listed = user.get("permissions")
        for index, text in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(text, str) and "${" not in text and not is_permission(text):
                where: Where = ("auth", namespace, "machine_users", name, "permissions", index)
                yield Problem(
                    document.at(where), f"{document.said(where)} is not a permission; write {PERMISSION_RULE}"
                )


def _bad_store(value: Any, document: Document) -> Iterator[Problem]:
    store = _mapping(value).get("store")
    if isinstance(store, str | Secret) and _in_memory(store):
        yield Problem(document.at(("store",)), f"a store in memory is gone with each command; write {DEFAULT_STORE}")


def _bad_users(value: Any, document: Document) -> Iterator[Problem]:
    for namespace, name, _ in _users(value):
        if name == _NOBODY:
            where: Where = ("auth", namespace, "machine_users", name)
            rule = f"as an invoker {_NOBODY} means nobody; give this machine user another name"
            yield Problem(document.key_at(where), rule)


def _bad_networks(value: Any, document: Document, part: str, key: str) -> Iterator[Problem]:
    listed = _mapping(_mapping(value).get(part)).get(key)
    for index, text in enumerate(listed if isinstance(listed, list) else ()):
        where: Where = (part, key, index)
        try:
            ip_network(text if isinstance(text, str) else "")
        except ValueError:
            said = document.said(where)
            yield Problem(document.at(where), f'{said} is no address or network; write it like "10.0.0.0/8"')


def _bad_lease(value: Any, document: Document) -> Iterator[Problem]:
    given = _mapping(_mapping(value).get("engine")).get("lease")
    if given is None:
        return
    try:
        lease = milliseconds(given)
    except ValueError:
        return  # its schema has said so
    if not _SHORTEST_LEASE <= lease <= _LONGEST_LEASE:
        where: Where = ("engine", "lease")
        yield Problem(document.at(where), f"{document.said(where)} is no lease; write one from 1s to 1h")


def _users(value: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every machine user of a value that may not have passed its schema: namespace, name, settings."""
    for namespace, group in _mapping(_mapping(value).get("auth")).items():
        for name, user in _mapping(_mapping(group).get("machine_users")).items():
            yield namespace, name, _mapping(user)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _config(value: Mapping[str, Any], document: Document) -> Config:
    auth: dict[str, dict[str, MachineUser]] = {namespace: {} for namespace in value.get("auth") or {}}
    for namespace, name, user in _users(value):
        auth[namespace][name] = MachineUser(
            namespace, name, user.get("attributes") or {}, tuple(user.get("permissions") or ())
        )
    return Config(
        store=_secret(value.get("store", DEFAULT_STORE)),
        server=_server(value.get("server") or {}),
        env=value.get("env") or {},
        databases={name: _secret(database["url"]) for name, database in (value.get("databases") or {}).items()},
        auth=auth,
        allow_unsafe=bool((value.get("store_options") or {}).get("allow_unsafe", False)),
        engine=_engine(value.get("engine") or {}),
        retention=Retention(**{key: milliseconds(text) for key, text in (value.get("retention") or {}).items()}),
        outgoing=OutgoingSettings(tuple((value.get("outgoing") or {}).get("allow") or ())),
        positions=document.positions,
    )


def _engine(given: Mapping[str, Any]) -> EngineSettings:
    return EngineSettings(
        **{key: milliseconds(value) if key == "lease" else int(value) for key, value in given.items()}
    )


def _server(given: Mapping[str, Any]) -> Server:
    settings = dict(given)
    if "port" in settings:
        settings["port"] = int(settings["port"])
    if "public_url" in settings:
        settings["public_url"] = settings["public_url"].rstrip("/")
    if "trusted_proxies" in settings:
        settings["trusted_proxies"] = tuple(settings["trusted_proxies"])
    return Server(**settings)


def _secret(text: str | Secret) -> Secret:
    return text if isinstance(text, Secret) else Secret(text)
