"""People and their sessions; machine users' secrets, and which of their permissions are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.model.audit import AuditEntry
from hub.model.people import MachineSecret, Person, TokenState
from hub.store.machine_users import (
    NEW_SECRET,
    PERMISSION_USED,
    REVOKE,
    SECRET_USED,
    NewSecret,
    PermissionUse,
    Revoke,
    SecretUse,
    secrets_look,
)
from hub.store.pages.page import Page
from hub.store.people import (
    ACCEPT_INVITATION,
    CLOSE_SESSION,
    INVITE,
    INVITE_FIRST,
    OPEN_SESSION,
    REMOVE_PERSON,
    SEEN,
    SET_ROLE,
    AcceptInvitation,
    Invite,
    InviteFirst,
    OpenSession,
    Seen,
    SetRole,
    role_look,
)
from hub.store.reads import identity as reads
from hub.store.tries import RIGHT_TRY, WRONG_TRY, RightTry, WrongTry, tries


class IdentityPage(Page):
    """People and their sessions; machine users' secrets, and which of their permissions are used."""

    async def invite_first(self, offer: InviteFirst) -> bool:
        """The address of the first person, in the place of the one before; False: there is somebody already."""
        return await self._writer.submit(INVITE_FIRST, offer)

    async def invite(self, invite: Invite, entry: AuditEntry | None = None) -> None:
        """A one-time address, in the place of the one before; who is not known yet is added."""
        await self._change(INVITE, invite, entry, role_look(invite.name))

    async def accept_invitation(self, accepted: AcceptInvitation, entry: AuditEntry | None = None) -> Person:
        """Use an invitation up. Raises Unauthenticated."""
        return await self._change(
            ACCEPT_INVITATION, accepted, entry, told=lambda person: f"{person.name}, {person.role}"
        )

    async def open_session(self, session: OpenSession, entry: AuditEntry | None = None) -> Person:
        """Raises Unauthenticated when the password has changed meanwhile."""
        return await self._change(OPEN_SESSION, session, entry)

    async def close_session(self, digest: str, entry: AuditEntry | None = None) -> None:
        await self._change(CLOSE_SESSION, digest, entry)

    def session_seen(self, digest: str, at: int) -> None:
        """Nobody waits for it."""
        self._writer.ride(SEEN, digest, Seen(digest, at))

    async def set_role(self, name: str, role: str, entry: AuditEntry | None = None) -> None:
        """Raises NotFound, or Conflict for the only admin."""
        await self._change(SET_ROLE, SetRole(name, role), entry, role_look(name))

    async def remove_person(self, name: str, entry: AuditEntry | None = None) -> None:
        """With their sessions. Raises NotFound, or Conflict for the only admin."""
        await self._change(REMOVE_PERSON, name, entry, role_look(name))

    async def people(self) -> list[Person]:
        """By name."""
        return await self._read(reads.people)

    async def is_claimed(self) -> bool:
        """Whether there is somebody who can sign in."""
        return await self._read(reads.is_claimed)

    async def password_of(self, name: str) -> str | None:
        """The stored hash; None: there is nobody, or they have none yet."""
        return await self._read(reads.password_of, name)

    async def session_person(self, digest: str, now: int, idle: int) -> tuple[Person, int] | None:
        """Whose session it is and when they were last seen; None when it has ended, also by resting `idle` ms."""
        return await self._read(reads.session_person, digest, now, idle)

    async def new_secret(self, secret: NewSecret, entry: AuditEntry | None = None) -> None:
        """Raises Conflict when too many are good already."""
        await self._change(NEW_SECRET, secret, entry, secrets_look(secret.auth_namespace, secret.name))

    async def revoke(self, revoke: Revoke, entry: AuditEntry | None = None) -> list[str]:
        """Ids of the secrets that are no good any more. Raises NotFound."""
        return await self._change(REVOKE, revoke, entry, secrets_look(revoke.auth_namespace, revoke.name))

    async def machine_secrets(self, auth_namespace: str | None = None, name: str | None = None) -> list[MachineSecret]:
        """Oldest first, revoked ones among them; of one machine user, or of all."""
        return await self._read(reads.machine_secrets, auth_namespace, name)

    async def secret_with(self, digest: str) -> MachineSecret | None:
        """The secret of that digest, also when it was revoked."""
        return await self._read(reads.secret_with, digest)

    async def token_state(self, auth_namespace: str, name: str, secret_id: str) -> TokenState:
        return await self._read(reads.token_state, auth_namespace, name, secret_id)

    def secret_used(self, secret_id: str, at: int) -> None:
        """Nobody waits for it."""
        self._writer.ride(SECRET_USED, secret_id, SecretUse(secret_id, at))

    async def tries(self, digests: Sequence[str]) -> Mapping[str, int]:
        """What was tried lately: of these digests, those that there are, each with when it is forgotten."""
        return await self._read(tries, digests)

    def wrong_try(self, key: int, tried: WrongTry) -> None:
        """Nobody waits for it; each has a key of its own, so that all are counted."""
        self._writer.ride(WRONG_TRY, key, tried)

    def right_try(self, tried: RightTry) -> None:
        """Nobody waits for it."""
        self._writer.ride(RIGHT_TRY, tried.digest, tried)

    def permission_used(self, use: PermissionUse) -> None:
        """Nobody waits for it."""
        self._writer.ride(PERMISSION_USED, (use.auth_namespace, use.name, use.permission), use)

    async def permission_uses(self) -> dict[tuple[str, str, str], int]:
        """(auth namespace, machine user, permission) -> when it was last used."""
        return await self._read(reads.permission_uses)
