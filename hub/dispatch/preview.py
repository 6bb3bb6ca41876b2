"""What would become of an event, for somebody who is still writing the file."""

from __future__ import annotations

from dataclasses import dataclass

from hub.expressions import Evaluated
from hub.model.event import Event, Outcome


@dataclass(frozen=True, slots=True)
class Preview:
    """One event held against one executor, as the files are now. Nothing of it is stored, and nothing begins."""

    event: Event
    #: What its delivery would come to, and why.
    outcome: Outcome
    reason: str
    #: The condition asked alone; None: the file has none.
    condition: Evaluated | None
    #: The variables asked alone, also where the condition does not hold; None: the file has none.
    variables: Evaluated | None
