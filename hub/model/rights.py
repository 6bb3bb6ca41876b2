"""The decision, as an error for whoever may not."""

from __future__ import annotations

from hub.model.errors import Refused
from hub.model.identity import Principal, allows


def require(principal: Principal, action: str, name: str | None) -> None:
    """Raise Refused unless they may do `action` to the object called `name`; None: to any object at all."""
    if allows(principal, action, name):
        return
    wanted = f"{action}:{name}" if name else action
    if principal.kind == "person":
        raise Refused(str(principal), wanted, f"and the role {principal.attributes.get('role')} has none")
    if principal.kind == "anonymous":
        raise Refused(str(principal), wanted, "and nobody has one without a token or a sign-in")
    raise Refused(str(principal), wanted)
