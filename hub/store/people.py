"""Verbs of people: invite, accept an invitation, sign in, sign out, change, remove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.model.errors import Conflict, NotFound, Unauthenticated
from hub.model.people import Person
from hub.store.dialects.base import Tx
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class Invite:
    """A one-time address for somebody; one who is known keeps the role and sets a new password."""

    digest: str
    name: str
    role: str
    now: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class InviteFirst:
    """The one-time address of the first person. It takes the place of the one before."""

    digest: str
    now: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class AcceptInvitation:
    """Somebody comes with an invitation, and sets a password."""

    digest: str
    #: Only the first person chooses one.
    name: str
    password: str
    now: int


@dataclass(frozen=True, slots=True)
class OpenSession:
    digest: str
    person: str
    #: The stored password that was compared: when it is another one now, nobody signs in.
    password: str
    now: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class SetRole:
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Seen:
    digest: str
    at: int


_USED_UP = "this address has been used or is too old. Ask for a new one; for the first person `hub serve` prints it when it starts."


def _invite_first(tx: Tx, items: Sequence[InviteFirst]) -> list[bool]:
    """Whether there was nobody, so that the address is good."""
    answers = []
    for item in items:
        tx.run("DELETE FROM invitations WHERE name IS NULL")
        nobody = not tx.rows("SELECT 1 FROM people LIMIT 1")
        if nobody:
            _insert(tx, item.digest, None, item.now, item.expires_at)
        answers.append(nobody)
    return answers


def _invite(tx: Tx, items: Sequence[Invite]) -> list[None]:
    for item in items:
        tx.run(
            "INSERT INTO people (name, role, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
            (item.name, item.role, item.now),
        )
        tx.run("DELETE FROM invitations WHERE name = ?", (item.name,))
        _insert(tx, item.digest, item.name, item.now, item.expires_at)
    return [None] * len(items)


def _insert(tx: Tx, digest: str, name: str | None, now: int, expires_at: int) -> None:
    tx.run(
        "INSERT INTO invitations (digest, name, created_at, expires_at) VALUES (?, ?, ?, ?)",
        (digest, name, now, expires_at),
    )


def _accept(tx: Tx, items: Sequence[AcceptInvitation]) -> list[Person | Exception]:
    return [_accept_one(tx, item) for item in items]


def _accept_one(tx: Tx, item: AcceptInvitation) -> Person | Exception:
    """Once: the invitation goes with the person's arrival, in one transaction. Sessions from before end."""
    found = tx.rows(
        "DELETE FROM invitations WHERE digest = ? AND expires_at > ? RETURNING name", (item.digest, item.now)
    )
    if not found:
        return Unauthenticated(_USED_UP)
    name = found[0][0]
    if name is None:
        if tx.rows("SELECT 1 FROM people LIMIT 1"):
            return Unauthenticated(_USED_UP)
        tx.run(
            "INSERT INTO people (name, role, created_at) VALUES (?, 'admin', ?)",
            (item.name, item.now),
        )
        name = item.name
    tx.run("DELETE FROM sessions WHERE person = ?", (name,))
    changed = tx.rows("UPDATE people SET password = ? WHERE name = ? RETURNING role, created_at", (item.password, name))
    if not changed:
        return Unauthenticated(_USED_UP)
    return Person(name, changed[0][0], changed[0][1])


def _open(tx: Tx, items: Sequence[OpenSession]) -> list[Person | Exception]:
    answers: list[Person | Exception] = []
    for item in items:
        found = tx.rows(
            "UPDATE people SET last_sign_in_at = ? WHERE name = ? AND password = ? RETURNING role, created_at",
            (item.now, item.person, item.password),
        )
        if not found:
            answers.append(Unauthenticated("name or password is wrong."))
            continue
        tx.run("DELETE FROM sessions WHERE expires_at <= ?", (item.now,))
        tx.run(
            "INSERT INTO sessions (digest, person, created_at, last_seen_at, expires_at) VALUES (?, ?, ?, ?, ?)",
            (item.digest, item.person, item.now, item.now, item.expires_at),
        )
        answers.append(Person(item.person, found[0][0], found[0][1], item.now))
    return answers


def _seen(tx: Tx, items: Sequence[Seen]) -> list[None]:
    for item in items:
        tx.run(
            "UPDATE sessions SET last_seen_at = ? WHERE digest = ? AND last_seen_at < ?",
            (item.at, item.digest, item.at),
        )
    return [None] * len(items)


def _close(tx: Tx, digests: Sequence[str]) -> list[None]:
    for digest in digests:
        tx.run("DELETE FROM sessions WHERE digest = ?", (digest,))
    return [None] * len(digests)


def _set_role(tx: Tx, items: Sequence[SetRole]) -> list[Exception | None]:
    answers: list[Exception | None] = []
    for item in items:
        refused = _last_admin(tx, item.name) if item.role != "admin" else _known(tx, item.name)
        if refused is None:
            tx.run("UPDATE people SET role = ? WHERE name = ?", (item.role, item.name))
        answers.append(refused)
    return answers


def _remove(tx: Tx, names: Sequence[str]) -> list[Exception | None]:
    answers: list[Exception | None] = []
    for name in names:
        refused = _last_admin(tx, name)
        if refused is None:
            for statement in (
                "DELETE FROM sessions WHERE person = ?",
                "DELETE FROM invitations WHERE name = ?",
                "DELETE FROM people WHERE name = ?",
            ):
                tx.run(statement, (name,))
        answers.append(refused)
    return answers


def _known(tx: Tx, name: str) -> Exception | None:
    if tx.rows("SELECT 1 FROM people WHERE name = ?", (name,)):
        return None
    return NotFound("person", name, [row[0] for row in tx.rows("SELECT name FROM people ORDER BY name LIMIT 100")])


def _last_admin(tx: Tx, name: str) -> Exception | None:
    """Why somebody must stay an admin: nobody else could let people in."""
    if (unknown := _known(tx, name)) is not None:
        return unknown
    others = tx.rows(
        "SELECT 1 FROM people WHERE role = 'admin' AND password IS NOT NULL AND name <> ? LIMIT 1", (name,)
    )
    own = tx.rows("SELECT 1 FROM people WHERE role = 'admin' AND password IS NOT NULL AND name = ?", (name,))
    if own and not others:
        return Conflict(f"{name} is the only admin: make somebody else one first.")
    return None


def role_look(name: str) -> Callable[[Tx], str | None]:
    """Which role somebody has; None: there is nobody of that name."""

    def look(tx: Tx) -> str | None:
        found = tx.rows("SELECT role FROM people WHERE name = ?", (name,))
        return found[0][0] if found else None

    return look


INVITE_FIRST: Verb[InviteFirst, bool] = Verb("invite_first", _invite_first)
INVITE: Verb[Invite, None] = Verb("invite", _invite)
ACCEPT_INVITATION: Verb[AcceptInvitation, Person] = Verb("accept_invitation", _accept)
OPEN_SESSION: Verb[OpenSession, Person] = Verb("open_session", _open)
SEEN: Verb[Seen, None] = Verb("seen", _seen)
CLOSE_SESSION: Verb[str, None] = Verb("close_session", _close)
SET_ROLE: Verb[SetRole, None] = Verb("set_role", _set_role)
REMOVE_PERSON: Verb[str, None] = Verb("remove_person", _remove)
