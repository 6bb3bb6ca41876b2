"""Verbs of machine users: secrets are made, used and revoked; which permissions are used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.model.errors import Conflict, NotFound
from hub.store.dialects.base import Tx
from hub.store.verbs import Verb

#: Secrets of one machine user that are good at the same time: the one in use, and the one that takes its place.
LIVE_SECRETS = 2


@dataclass(frozen=True, slots=True)
class NewSecret:
    id: str
    auth_namespace: str
    name: str
    digest: str
    now: int


@dataclass(frozen=True, slots=True)
class Revoke:
    auth_namespace: str
    name: str
    #: None: all of them, and every token that was ever made.
    secret_id: str | None
    now: int


@dataclass(frozen=True, slots=True)
class SecretUse:
    id: str
    at: int


@dataclass(frozen=True, slots=True)
class PermissionUse:
    auth_namespace: str
    name: str
    permission: str
    at: int


def _new_secret(tx: Tx, items: Sequence[NewSecret]) -> list[Exception | None]:
    answers: list[Exception | None] = []
    for item in items:
        live = _live(tx, item.auth_namespace, item.name)
        if len(live) >= LIVE_SECRETS:
            answers.append(
                Conflict(
                    f"{item.auth_namespace}/{item.name} has {len(live)} secrets that are good: {', '.join(live)}. Revoke one first: "
                    f"hub machine-user secret {item.name} --revoke {live[0]}"
                )
            )
            continue
        tx.run(
            "INSERT INTO machine_secrets (id, auth_namespace, name, digest, created_at) VALUES (?, ?, ?, ?, ?)",
            (item.id, item.auth_namespace, item.name, item.digest, item.now),
        )
        answers.append(None)
    return answers


def _revoke(tx: Tx, items: Sequence[Revoke]) -> list[list[str] | Exception]:
    """Ids of what was revoked."""
    answers: list[list[str] | Exception] = []
    for item in items:
        live = _live(tx, item.auth_namespace, item.name)
        if item.secret_id is not None and item.secret_id not in live:
            answers.append(NotFound("live secret", item.secret_id, live))
            continue
        gone = live if item.secret_id is None else [item.secret_id]
        for one in gone:
            tx.run("UPDATE machine_secrets SET revoked_at = ? WHERE id = ?", (item.now, one))
        if item.secret_id is None:
            # Tokens count in whole seconds: one of this very second would pass.
            after = item.now // 1000 * 1000 + 1000
            tx.run(
                "INSERT INTO machine_user_states (auth_namespace, name, tokens_after) VALUES (?, ?, ?) "
                "ON CONFLICT (auth_namespace, name) DO UPDATE SET tokens_after = excluded.tokens_after",
                (item.auth_namespace, item.name, after),
            )
        answers.append(gone)
    return answers


def _live(tx: Tx, auth_namespace: str, name: str) -> list[str]:
    """Oldest first."""
    return [
        row[0]
        for row in tx.rows(
            "SELECT id FROM machine_secrets WHERE auth_namespace = ? AND name = ? AND revoked_at IS NULL "
            "ORDER BY created_at, id",
            (auth_namespace, name),
        )
    ]


def _secret_used(tx: Tx, items: Sequence[SecretUse]) -> list[None]:
    for item in items:
        tx.run("UPDATE machine_secrets SET last_used_at = ? WHERE id = ?", (item.at, item.id))
    return [None] * len(items)


def _permission_used(tx: Tx, items: Sequence[PermissionUse]) -> list[None]:
    for item in items:
        tx.run(
            "INSERT INTO permission_uses (auth_namespace, name, permission, last_used_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (auth_namespace, name, permission) DO UPDATE SET last_used_at = excluded.last_used_at",
            (item.auth_namespace, item.name, item.permission, item.at),
        )
    return [None] * len(items)


def secrets_look(auth_namespace: str, name: str) -> Callable[[Tx], str | None]:
    """How many secrets are good."""
    return lambda tx: f"{len(_live(tx, auth_namespace, name))} live"


NEW_SECRET: Verb[NewSecret, None] = Verb("new_secret", _new_secret)
REVOKE: Verb[Revoke, list[str]] = Verb("revoke", _revoke)
SECRET_USED: Verb[SecretUse, None] = Verb("secret_used", _secret_used)
PERMISSION_USED: Verb[PermissionUse, None] = Verb("permission_used", _permission_used)
