"""Machine users: their secrets, their access tokens, and what they may do."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from hub.client.verbs import Verbs
from hub.identity.opaque import MACHINE_USER, digest_of, new_secret, same_digest
from hub.identity.tokens import LIFETIME, TokenClaims
from hub.model.clock import iso
from hub.model.errors import BadInput, StoreUnavailable, Unauthenticated
from hub.model.identity import MachineUser, Principal, allows, covers, is_permission
from hub.model.people import MachineSecret, MachineUserState
from hub.store.machine_users import NewSecret, Revoke

log = logging.getLogger(__name__)

_ID_BYTES = 6


@dataclass(frozen=True, slots=True)
class MadeSecret:
    """Shown once."""

    id: str
    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    token: str = field(repr=False)
    #: Seconds that it is good for.
    lifetime: int
    #: What it is narrowed to; None: it is not.
    scope: tuple[str, ...] | None


class MachineUserVerbs(Verbs):
    """Machine users: their secrets, their access tokens, and what they may do."""

    async def machine_users(self) -> list[MachineUserState]:
        """By namespace and name."""
        everybody = [user for _, users in sorted(self._users.items()) for _, user in sorted(users.items())]
        visible = self._visible("machine-user:read", everybody, lambda user: user.name)
        made, used = await self._store.machine_secrets(), await self._store.permission_uses()
        return [_state(user, made, used) for user in visible]

    def machine_user(self, name: str, namespace: str | None = None) -> MachineUser:
        """By NAME, or NAMESPACE/NAME. Raises NotFound, or BadInput when several namespaces have one of this name."""
        self._require("machine-user:read", name.rpartition("/")[2])
        return self._named(name, namespace)

    async def new_secret(self, name: str, namespace: str | None = None) -> MadeSecret:
        """A secret for /oauth2/token. Raises NotFound, or Conflict when two are good already."""
        bare = name.rpartition("/")[2]
        async with self._changing("machine-user:rotate", bare, f"machine-user {name}") as entry:
            user = self._named(name, namespace)
            entry.object = f"machine-user {user.auth_namespace}/{user.name}"
            secret, identifier = new_secret(MACHINE_USER), secrets.token_hex(_ID_BYTES)
            made = NewSecret(identifier, user.auth_namespace, user.name, digest_of(secret), self._driver.clock.now())
            await self._store.new_secret(made, entry)
            return MadeSecret(identifier, f"{user.auth_namespace}/{user.name}", secret)

    async def revoke_secret(self, name: str, secret_id: str | None, namespace: str | None = None) -> list[str]:
        """Ids of what is no good any more: one secret, or all of them (None) and every token that was ever made.

        Tokens that were got with a revoked secret end with it. Raises NotFound.
        """
        bare = name.rpartition("/")[2]
        async with self._changing("machine-user:rotate", bare, f"machine-user {name}") as entry:
            user = self._named(name, namespace)
            entry.object = f"machine-user {user.auth_namespace}/{user.name}"
            now = self._driver.clock.now()
            return await self._store.revoke(Revoke(user.auth_namespace, user.name, secret_id, now), entry)

    async def make_token(self, name: str, namespace: str | None = None, scope: str | None = None) -> AccessToken:
        """An access token without a secret, for whoever may make one. Raises NotFound or BadInput."""
        async with self._changing("machine-user:token", name.rpartition("/")[2], f"machine-user {name}") as entry:
            user = self._named(name, namespace)
            entry.object = f"machine-user {user.auth_namespace}/{user.name}"
            made = self._issue(user, "", _narrowed(user, scope))
            await self._store.record(entry, "done")
            return made

    async def exchange(
        self, client_id: str, secret: str, *, scope: str | None = None, address: str = ""
    ) -> AccessToken:
        """An access token for a client id (NAME or NAMESPACE/NAME) and a secret. Anybody may ask.

        Raises Unauthenticated, TooManyTries, or BadInput for a scope that it does not have.
        """
        throttle, about = self._driver.gate.throttle, f"client {client_id[:200]}"
        await throttle.admit(address, about)
        user = self._somebody(client_id)
        # Asked for by its digest: the same work whether there is such a user or not, and however near the secret comes.
        digest = digest_of(secret)
        found = await self._store.secret_with(digest)
        if found is not None and not (same_digest(found.digest, digest) and _is_good(found, user)):
            found = None
        if user is None or found is None:
            throttle.failed(address, about)
            raise Unauthenticated("client_id or client_secret is wrong.")
        throttle.succeeded(address, about)
        narrowed = _narrowed(user, scope)
        with self._usable_keys():
            made = self._issue(user, found.id, narrowed)
        self._store.secret_used(found.id, self._driver.clock.now())
        return made

    async def authenticate(self, token: str, *, address: str = "") -> Principal:
        """Who holds an access token, with the rights that they have now. Anybody may ask.

        Raises Unauthenticated or TooManyTries.
        """
        throttle = self._driver.gate.throttle
        await throttle.admit(address, "")
        try:
            with self._usable_keys():
                claims = self._driver.gate.tokens.read(token)
            return await self._holder(claims)
        except Unauthenticated:
            throttle.failed(address, "")
            raise

    def check_keys(self) -> None:
        """Raise BadInput when the keys that sign access tokens cannot be used. Anybody may ask."""
        self._driver.gate.tokens.keys.load()

    async def rotate_keys(self) -> str:
        """A new key signs access tokens from now on; its id. The one before is good until its tokens end."""
        async with self._changing("machine-user:rotate", "", "signing keys") as entry:
            keys = self._driver.gate.tokens.keys
            before, after = keys.load().keys[0].id, keys.rotate().keys[0].id
            await self._store.record(entry, "done", before=before, after=after)
            return after

    def signing_keys(self) -> list[dict[str, str]]:
        """Which keys sign access tokens, the newest first: [{id, created_at}]."""
        self._require("machine-user:rotate")
        return [{"id": one.id, "created_at": iso(one.created_at)} for one in self._driver.gate.tokens.keys.load().keys]

    def can(self, name: str, permission: str, namespace: str | None = None) -> bool:
        """Whether a machine user may do RESOURCE:ACTION, to anything, or RESOURCE:ACTION:NAME, to that. Raises BadInput."""
        self._require("machine-user:read", name.rpartition("/")[2])
        if not is_permission(permission):
            raise BadInput(f'"{permission}" is no action: write RESOURCE:ACTION or RESOURCE:ACTION:NAME.')
        resource, _, rest = permission.partition(":")
        verb, _, wanted = rest.partition(":")
        return allows(self._named(name, namespace), f"{resource}:{verb}", wanted or None)

    async def _holder(self, claims: TokenClaims) -> Principal:
        user = self._users.get(claims.auth_namespace, {}).get(claims.name)
        if user is None:
            raise Unauthenticated
        state = await self._store.token_state(claims.auth_namespace, claims.name, claims.secret_id)
        if claims.issued_at < state.tokens_after or (claims.secret_id and state.secret_revoked is not False):
            raise Unauthenticated
        held = user.permissions
        if claims.scope is not None:
            # What it was narrowed to, as far as it is still given.
            held = tuple(one for one in claims.scope if any(covers(own, one) for own in user.permissions))
        return Principal("machine_user", user.name, user.auth_namespace, held, user.attributes)

    @staticmethod
    @contextlib.contextmanager
    def _usable_keys() -> Iterator[None]:
        """What is wrong with the keys is for the operator, and no stranger's to know. Raises StoreUnavailable."""
        try:
            yield
        except BadInput as error:
            log.error("access tokens cannot be made or read: %s", error)  # noqa: TRY400 - it says all
            raise StoreUnavailable("access tokens cannot be made or read at this moment.") from None

    def _issue(self, user: MachineUser, secret_id: str, scope: tuple[str, ...] | None) -> AccessToken:
        now = self._driver.clock.now()
        claims = TokenClaims(user.auth_namespace, user.name, secret_id, scope, now)
        return AccessToken(self._driver.gate.tokens.issue(claims, secrets.token_hex(8)), LIFETIME, scope)

    def _somebody(self, client_id: str) -> MachineUser | None:
        """The one whom a client id names, without the advice that costs time where there is none."""
        space, slash, name = client_id.rpartition("/")
        everybody = self._driver.surroundings.machine_users
        found = [users[name] for key, users in everybody.items() if name in users and (not slash or key == space)]
        return found[0] if len(found) == 1 else None

    def _named(self, name: str, namespace: str | None) -> MachineUser:
        space, slash, rest = name.partition("/")
        return self._driver.surroundings.named_user(*((rest, space) if slash else (name, namespace)))

    @property
    def _users(self) -> dict[str, dict[str, MachineUser]]:
        return {space: dict(users) for space, users in self._driver.surroundings.machine_users.items()}


def _is_good(secret: MachineSecret, user: MachineUser | None) -> bool:
    """Whether it is this user's, and was not revoked."""
    own = user is not None and (secret.auth_namespace, secret.name) == (user.auth_namespace, user.name)
    return own and secret.revoked_at is None


def _narrowed(user: MachineUser, scope: str | None) -> tuple[str, ...] | None:
    """The permissions of a scope. Raises BadInput for what the user does not have."""
    if scope is None or not scope.split():
        return None
    asked = tuple(dict.fromkeys(scope.split()))
    for one in asked:
        if not is_permission(one) or not any(covers(own, one) for own in user.permissions):
            raise BadInput(f'the scope "{one}" is not one of the permissions of {user.auth_namespace}/{user.name}.')
    return asked


def _state(user: MachineUser, made: list[MachineSecret], used: dict[tuple[str, str, str], int]) -> MachineUserState:
    own = [one for one in made if (one.auth_namespace, one.name) == (user.auth_namespace, user.name)]
    return MachineUserState(
        user,
        tuple(one for one in own if one.revoked_at is None),
        max((one.last_used_at for one in own if one.last_used_at is not None), default=None),
        tuple(one for one in user.permissions if (user.auth_namespace, user.name, one) not in used),
    )
