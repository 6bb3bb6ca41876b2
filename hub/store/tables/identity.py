"""Who may do what, who has signed in, and who changed what."""

from __future__ import annotations

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import big


class MachineSecretRow(SQLModel, table=True):
    __tablename__ = "machine_secrets"

    id: str = Field(primary_key=True)
    auth_namespace: str
    name: str
    #: SHA-256 of it.
    digest: str
    created_at: int = Field(sa_column=big())
    #: When it was last exchanged for a token.
    last_used_at: int | None = Field(default=None, sa_column=big(nullable=True))
    #: From then on neither it nor the tokens that were got with it are any good.
    revoked_at: int | None = Field(default=None, sa_column=big(nullable=True))

    __table_args__ = (
        Index("machine_secrets_digest", "digest"),
        Index("machine_secrets_user", "auth_namespace", "name"),
    )


class MachineUserStateRow(SQLModel, table=True):
    __tablename__ = "machine_user_states"

    auth_namespace: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    #: Tokens that were made before are no good.
    tokens_after: int = Field(sa_column=big(default=0))


class PermissionUseRow(SQLModel, table=True):
    __tablename__ = "permission_uses"

    auth_namespace: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    permission: str = Field(primary_key=True)
    last_used_at: int = Field(sa_column=big())


class PersonRow(SQLModel, table=True):
    __tablename__ = "people"

    name: str = Field(primary_key=True)
    #: scrypt; NULL: invited, and not here yet.
    password: str | None = None
    #: One of `hub.model.identity.ROLES`.
    role: str
    created_at: int = Field(sa_column=big())
    last_sign_in_at: int | None = Field(default=None, sa_column=big(nullable=True))


class InvitationRow(SQLModel, table=True):
    """A one-time address with which somebody sets their password."""

    __tablename__ = "invitations"

    #: SHA-256 of the secret in the address.
    digest: str = Field(primary_key=True)
    #: For whom; NULL: for the first person, who chooses a name. It is good only while there is nobody.
    name: str | None = Field(default=None, index=True)
    created_at: int = Field(sa_column=big())
    expires_at: int = Field(sa_column=big())


class SessionRow(SQLModel, table=True):
    __tablename__ = "sessions"

    #: SHA-256 of the secret in the cookie.
    digest: str = Field(primary_key=True)
    person: str = Field(index=True)
    created_at: int = Field(sa_column=big())
    last_seen_at: int = Field(sa_column=big())
    #: The latest end, however busy it is.
    expires_at: int = Field(sa_column=big())

    __table_args__ = (Index("sessions_end", "expires_at"),)


class TryRow(SQLModel, table=True):
    """Wrong credentials that were tried lately, and who has shown right ones."""

    __tablename__ = "tries"

    #: SHA-256 of what is counted: where from, or about whom.
    digest: str = Field(primary_key=True)
    #: When all of it is forgotten.
    free_at: int = Field(sa_column=big())

    __table_args__ = (Index("tries_end", "free_at"),)


class AuditRow(SQLModel, table=True):
    __tablename__ = "audit"

    #: Counts up without gaps.
    number: int = Field(sa_column=big(primary_key=True))
    at: int = Field(sa_column=big())
    who: str
    action: str
    object: str = Field(sa_type=Text)
    before: str | None = Field(default=None, sa_type=Text)
    after: str | None = Field(default=None, sa_type=Text)
    result: str = Field(sa_type=Text)
    hash: str

    __table_args__ = (Index("audit_who", "who", "number"), Index("audit_object", "object", "number"))


class AuditHeadRow(SQLModel, table=True):
    """The one row that says where the chain ends."""

    __tablename__ = "audit_head"

    id: int = Field(primary_key=True)
    number: int = Field(sa_column=big())
    hash: str
