"""Questions about people, their sessions, and machine users' secrets."""

from __future__ import annotations

from sqlmodel import Session, col, select

from hub.model.people import MachineSecret, Person, TokenState
from hub.store.tables import MachineSecretRow, MachineUserStateRow, PermissionUseRow, PersonRow, SessionRow


def people(session: Session) -> list[Person]:
    return [_person(row) for row in session.exec(select(PersonRow).order_by(PersonRow.name))]


def is_claimed(session: Session) -> bool:
    return session.exec(select(PersonRow.name).where(col(PersonRow.password).is_not(None)).limit(1)).first() is not None


def password_of(session: Session, name: str) -> str | None:
    """The stored hash; None: there is nobody, or they have none yet."""
    return session.exec(select(PersonRow.password).where(PersonRow.name == name)).first()


def session_person(session: Session, digest: str, now: int, idle: int) -> tuple[Person, int] | None:
    """Whose session it is and when they were last seen; None when it has ended."""
    found = session.exec(
        select(PersonRow, SessionRow.last_seen_at)
        .join(SessionRow, col(SessionRow.person) == PersonRow.name)
        .where(SessionRow.digest == digest, SessionRow.expires_at > now, SessionRow.last_seen_at > now - idle)
    ).first()
    return None if found is None else (_person(found[0]), found[1])


def secret_with(session: Session, digest: str) -> MachineSecret | None:
    row = session.exec(select(MachineSecretRow).where(MachineSecretRow.digest == digest)).first()
    return None if row is None else _machine_secret(row)


def machine_secrets(session: Session, auth_namespace: str | None, name: str | None) -> list[MachineSecret]:
    """Oldest first; of one machine user, or of all."""
    statement = select(MachineSecretRow).order_by(col(MachineSecretRow.created_at), MachineSecretRow.id)
    if auth_namespace is not None:
        statement = statement.where(MachineSecretRow.auth_namespace == auth_namespace)
    if name is not None:
        statement = statement.where(MachineSecretRow.name == name)
    return [_machine_secret(row) for row in session.exec(statement)]


def token_state(session: Session, auth_namespace: str, name: str, secret_id: str) -> TokenState:
    state = session.get(MachineUserStateRow, (auth_namespace, name))
    secret = session.get(MachineSecretRow, secret_id) if secret_id else None
    own = secret is not None and (secret.auth_namespace, secret.name) == (auth_namespace, name)
    return TokenState(
        0 if state is None else state.tokens_after,
        secret.revoked_at is not None if secret is not None and own else None,
    )


def permission_uses(session: Session) -> dict[tuple[str, str, str], int]:
    """(auth namespace, machine user, permission) -> when it was last used."""
    return {
        (row.auth_namespace, row.name, row.permission): row.last_used_at
        for row in session.exec(select(PermissionUseRow))
    }


def _person(row: PersonRow) -> Person:
    return Person(row.name, row.role, row.created_at, row.last_sign_in_at, invited=row.password is None)


def _machine_secret(row: MachineSecretRow) -> MachineSecret:
    return MachineSecret(
        row.id, row.auth_namespace, row.name, row.created_at, row.last_used_at, row.revoked_at, digest=row.digest
    )
