"""People who sign in to the console, and secrets of machine users, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.model.identity import MachineUser


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    #: One of `hub.model.identity.ROLES`.
    role: str
    #: Milliseconds since 1970 UTC, as all times here.
    created_at: int
    #: None: never.
    last_sign_in_at: int | None = None
    #: Invited, and has not set a password yet.
    invited: bool = False


@dataclass(frozen=True, slots=True)
class MachineSecret:
    """A secret of a machine user, without the secret."""

    id: str
    auth_namespace: str
    name: str
    created_at: int
    #: When it was last exchanged for a token; None: never.
    last_used_at: int | None = None
    revoked_at: int | None = None
    #: SHA-256 of it.
    digest: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TokenState:
    """What the store knows about a token's holder and the secret that it was got with."""

    #: Tokens that were made before are no good.
    tokens_after: int
    #: None: the secret is not known.
    secret_revoked: bool | None


@dataclass(frozen=True, slots=True)
class MachineUserState:
    """A machine user of config/hub.yaml, and what became of it."""

    user: MachineUser
    #: Good ones, oldest first.
    secrets: tuple[MachineSecret, ...]
    #: When a secret of it was last exchanged for a token; None: never.
    last_used_at: int | None
    #: Permissions that nothing has ever asked for.
    unused: tuple[str, ...]

    @property
    def client_id(self) -> str:
        return f"{self.user.auth_namespace}/{self.user.name}"
