"""People: who may sign in to the console, and signing in and out."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.client.verbs import Verbs
from hub.identity.opaque import INVITATION, SESSION, digest_of, new_secret
from hub.identity.passwords import SHORTEST_PASSWORD, hash_password, is_password
from hub.model.audit import AuditEntry
from hub.model.errors import BadInput, NotFound, Unauthenticated
from hub.model.identity import ROLES, Principal, person
from hub.model.names import NAME_RULE, is_name
from hub.model.people import Person
from hub.store.people import AcceptInvitation, Invite, InviteFirst, OpenSession

__all__ = ["SHORTEST_PASSWORD", "PersonVerbs", "SignedIn"]

_HOUR = 3_600_000
#: A session ends when nobody has used it for so long, and after the longer time in any case, in milliseconds.
IDLE, LONGEST = 12 * _HOUR, 7 * 24 * _HOUR
_INVITED_FOR = 7 * 24 * _HOUR
#: How exactly "last seen" is kept.
_SEEN_EVERY = 60_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session has begun."""

    principal: Principal
    #: For the cookie; shown once, stored as a hash.
    session: str = field(repr=False)
    #: When it ends at the latest.
    expires_at: int = 0


class PersonVerbs(Verbs):
    """People: who may sign in to the console, and signing in and out."""

    async def is_claimed(self) -> bool:
        """Whether there is somebody who can sign in. Anybody may ask."""
        return await self._store.is_claimed()

    async def invite_first(self) -> str | None:
        """The secret of a new one-time address for the first person; None when there is somebody already."""
        self._require("person:manage")
        secret, now = new_secret(INVITATION), self._driver.clock.now()
        offered = await self._store.invite_first(InviteFirst(digest_of(secret), now, now + _INVITED_FOR))
        return secret if offered else None

    async def accept_invitation(self, secret: str, name: str, password: str, *, address: str = "") -> SignedIn:
        """Use a one-time address: set a password, and sign in. The first person chooses `name`, and becomes an admin.

        `address` is where the request came from. Raises BadInput, Unauthenticated or TooManyTries.
        """
        await self._driver.gate.throttle.admit(address, "")
        if not is_name(name):
            raise BadInput(f"this cannot be a name: use {NAME_RULE}.")
        password_hash = await hash_password(password)
        entry = self._entry("person:claim", f"person {name}", f"person:{name}")
        try:
            made = await self._store.accept_invitation(
                AcceptInvitation(digest_of(secret), name, password_hash, self._driver.clock.now()), entry
            )
        except Unauthenticated:
            self._driver.gate.throttle.failed(address, "")
            raise
        return await self._begin(made.name, password_hash)

    async def sign_in(self, name: str, password: str, *, address: str = "") -> SignedIn:
        """Begin a session. Raises Unauthenticated or TooManyTries; a name that there is not takes as long as a wrong password."""
        throttle, about = self._driver.gate.throttle, f"person {name[:100]}"
        await throttle.admit(address, about)
        stored = await self._store.password_of(name)
        if not await is_password(password, stored) or stored is None:
            throttle.failed(address, about)
            raise Unauthenticated("name or password is wrong.")
        throttle.succeeded(address, about)
        return await self._begin(name, stored)

    async def session(self, secret: str) -> Principal | None:
        """Whose session it is, with the rights of their role as it is now; None when it has ended."""
        if not secret.startswith(SESSION):
            return None
        digest, now = digest_of(secret), self._driver.clock.now()
        found = await self._store.session_person(digest, now, IDLE)
        if found is None:
            return None
        somebody, seen = found
        if now - seen > _SEEN_EVERY:
            self._store.session_seen(digest, now)
        return person(somebody.name, somebody.role)

    async def sign_out(self, secret: str) -> None:
        """End a session."""
        whose = await self.session(secret)
        if whose is not None:
            entry = self._entry("person:sign-out", f"person {whose.name}", whose.label)
            await self._store.close_session(digest_of(secret), entry)

    async def people(self) -> list[Person]:
        """By name."""
        self._require("person:manage", "")
        return await self._store.people()

    async def invite_person(self, name: str, role: str) -> str:
        """The secret of a one-time address with which they set a password. Raises BadInput or NotFound for the role.

        Somebody who is known keeps the role; the address lets them set a new password.
        """
        async with self._changing("person:manage", "", f"person {name}") as entry:
            if not is_name(name):
                raise BadInput(f"this cannot be a name: use {NAME_RULE}.")
            _check_role(role)
            secret, now = new_secret(INVITATION), self._driver.clock.now()
            await self._store.invite(Invite(digest_of(secret), name, role, now, now + _INVITED_FOR), entry)
            return secret

    async def claim_address(self, secret: str) -> str:
        """The one-time address behind a secret."""
        return claim_address(await self._driver.reached(), secret)

    async def set_role(self, name: str, role: str) -> None:
        """Raises NotFound, or Conflict for the only admin."""
        async with self._changing("person:manage", "", f"person {name}") as entry:
            _check_role(role)
            await self._store.set_role(name, role, entry)

    async def remove_person(self, name: str) -> None:
        """Their sessions end at once. Raises NotFound, or Conflict for the only admin."""
        async with self._changing("person:manage", "", f"person {name}") as entry:
            await self._store.remove_person(name, entry)

    async def _begin(self, name: str, stored: str) -> SignedIn:
        secret, now = new_secret(SESSION), self._driver.clock.now()
        entry = self._entry("person:sign-in", f"person {name}", f"person:{name}")
        made = await self._store.open_session(OpenSession(digest_of(secret), name, stored, now, now + LONGEST), entry)
        return SignedIn(person(made.name, made.role), secret, now + LONGEST)

    def _entry(self, action: str, object: str, who: str) -> AuditEntry:
        """The record of somebody who shows only now who they are."""
        return AuditEntry(self._driver.clock.now(), who, action, object)


def claim_address(base: str, secret: str) -> str:
    """The one-time address behind a secret; `base`: where the hub is reached."""
    return f"{base}/console/claim/{secret}"


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise NotFound("role", role, ROLES)
