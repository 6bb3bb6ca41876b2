"""The hub itself: who may do what, who did what, which processes serve it, and whether its books balance."""

from __future__ import annotations

from typing import Any

from hub.model.audit import AuditRecord
from hub.model.books import Books
from hub.model.clock import iso, iso_or_none
from hub.model.node import Node
from hub.model.people import MachineUserState, Person


def machine_user_view(state: MachineUserState) -> dict[str, Any]:
    """A machine user; secrets without the secrets."""
    return {
        "name": state.user.name,
        "auth_namespace": state.user.auth_namespace,
        "client_id": state.client_id,
        "attributes": dict(state.user.attributes),
        "permissions": list(state.user.permissions),
        "unused_permissions": list(state.unused),
        "secrets": [
            {"id": one.id, "created_at": iso(one.created_at), "last_used_at": iso_or_none(one.last_used_at)}
            for one in state.secrets
        ],
        "last_used_at": iso_or_none(state.last_used_at),
    }


def person_view(person: Person) -> dict[str, Any]:
    """Somebody who may sign in to the console."""
    return {
        "name": person.name,
        "role": person.role,
        "invited": person.invited,
        "created_at": iso(person.created_at),
        "last_sign_in_at": iso_or_none(person.last_sign_in_at),
    }


def audit_view(record: AuditRecord) -> dict[str, Any]:
    """One change: who, what, from, to, result."""
    return {
        "number": record.number,
        "at": iso(record.at),
        "who": record.who,
        "action": record.action,
        "object": record.object,
        "before": record.before,
        "after": record.after,
        "result": record.result,
        "hash": record.hash,
    }


def node_view(node: Node) -> dict[str, Any]:
    """A process that serves, and until when it has said so."""
    return {
        "id": node.id,
        "host": node.host,
        "pid": node.pid,
        "started_at": iso(node.started_at),
        "lease_until": iso(node.lease_until),
        "alive": node.alive,
        "address": node.address,
        "revision": node.revision,
    }


def books_view(books: Books) -> dict[str, Any]:
    """What was accepted, what has become of it, and what does not add up."""
    return {
        "ok": books.ok,
        "served": books.served,
        "events": books.events,
        "executions": dict(sorted(books.executions.items())),
        "accepted": sum(books.executions.values()),
        "findings": [{"kind": one.kind, "object": one.object, "reason": one.reason} for one in books.findings],
    }
