from __future__ import annotations

from kit import FakeClock

from hub.identity.uses import Uses
from hub.model.identity import MachineUser
from hub.store.machine_users import PermissionUse


def test_the_permission_that_granted_it_is_noted_now_and_then() -> None:
    clock, noted = FakeClock(), list[PermissionUse]()
    uses = Uses(noted.append, clock)
    bot = MachineUser("main", "bot", {}, ("workflow:start:a-*", "workflow:*:b-*", "secret:read"))
    for _ in range(3):
        uses(bot, "workflow:start", "b-one")
        uses(bot, "secret:read", "KEY")
        uses(bot, "secret:write", "KEY")
    assert [one.permission for one in noted] == ["workflow:*:b-*", "secret:read"]
    clock.advance(61)
    uses(bot, "workflow:start", "b-two")
    assert [one.permission for one in noted] == ["workflow:*:b-*", "secret:read", "workflow:*:b-*"]
