"""The record of who changed what: what is known before a change, and what is written of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class AuditEntry:
    """A change that somebody is about to make. Handed to the store's verb, which writes the record with the change."""

    at: int
    #: A principal's label: `machine-user:main-auth/bot`, `person:ada`, `cli:root`.
    who: str
    #: One of `hub.model.actions`.
    action: str
    #: What is changed: "execution ID", "executor NAME".
    object: str
    #: A record of it is written.
    recorded: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change, or one that was refused or failed."""

    at: int
    who: str
    action: str
    object: str
    #: "done", or the sentence why not.
    result: str
    #: What the object was before and after, in a word; None: that is not told.
    before: str | None = None
    after: str | None = None
    #: Counts up without gaps. 0: not written yet.
    number: int = 0
    #: Covers this record and the hash of the one before.
    hash: str = ""


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """Whether the chain of records holds."""

    #: Records that were looked at.
    count: int
    #: The end of the chain; "" while it is empty.
    hash: str
    #: The first record that does not fit the one before; None: all do.
    broken_at: int | None = None
    #: What is wrong, in a sentence.
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.broken_at is None
