"""Which permissions of machine users are used, so that people see which ones can be taken away."""

from __future__ import annotations

from collections.abc import Callable

from hub.model.clock import Clock
from hub.model.identity import MachineUser, Principal, granting
from hub.store.machine_users import PermissionUse

#: How exactly "last used" is kept, in milliseconds.
_EVERY = 60_000


class Uses:
    """Notes the permission that let a machine user do something. From any thread."""

    def __init__(self, note: Callable[[PermissionUse], None], clock: Clock) -> None:
        self._note = note
        self._clock = clock
        self._noted: dict[tuple[str, str, str], int] = {}

    def __call__(self, user: MachineUser | Principal, action: str, name: str | None) -> None:
        permission = granting(user, action, name)
        if permission is None:
            return
        key, now = (user.auth_namespace, user.name, permission), self._clock.now()
        if now - self._noted.get(key, -_EVERY) >= _EVERY:
            self._noted[key] = now
            self._note(PermissionUse(*key, now))
