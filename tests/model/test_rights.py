from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.actions import ACTIONS
from hub.model.errors import Refused
from hub.model.identity import ANONYMOUS, ROLES, MachineUser, Principal, allows, is_permission, local, person
from hub.model.rights import require

ANY_ACTION = st.sampled_from(sorted(ACTIONS))
ANY_NAME = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)


def bot(*permissions: str) -> Principal:
    return MachineUser("main-auth", "bot", {}, permissions).principal


@given(ANY_ACTION, ANY_NAME)
def test_nobody_may_anything_and_the_operator_everything(action: str, name: str) -> None:
    assert not allows(ANONYMOUS, action, name)
    assert not allows(ANONYMOUS, action, None)
    assert not allows(bot(), action, name)
    assert allows(local("root"), action, name)


@given(ANY_ACTION, ANY_ACTION, ANY_NAME)
def test_a_permission_gives_its_own_action_only(held: str, asked: str, name: str) -> None:
    assert allows(bot(held), asked, name) is (held == asked)


@pytest.mark.parametrize(
    ("permission", "action", "name", "may"),
    [
        ("workflow:start:order-*", "workflow:start", "order-processing", True),
        ("workflow:start:order-*", "workflow:start", "reorder-1", False),
        ("workflow:start:order-*", "workflow:start", None, True),
        ("workflow:start:order-*", "workflow:start", "", False),
        ("workflow:*:order-*", "workflow:read", "order-1", True),
        ("workflow:*", "workflows:read", "order-1", False),
        ("workflow:start", "workflow:start", "", True),
        ("workflow:star", "workflow:start", "order", False),
        ("admin", "person:manage", "", True),
        ("administrator", "person:manage", "", False),
        ("admin:read", "audit:read", "", False),
        ("executor:read:[a-c]*", "executor:read", "bee", True),
        ("executor:read:[a-c]*", "executor:read", "dog", False),
    ],
)
def test_globs_are_held_against_whole_names(permission: str, action: str, name: str | None, may: bool) -> None:
    assert allows(bot(permission), action, name) is may


def test_roles_hold_known_actions_and_grow() -> None:
    may = {role: {action for action in ACTIONS if allows(person("ada", role), action, "x")} for role in ROLES}
    assert may["viewer"] < may["operator"] < may["admin"] == set(ACTIONS)
    for permissions in ROLES.values():
        for permission in permissions:
            assert is_permission(permission)
            assert permission == "admin" or permission in ACTIONS or permission.endswith(":*")


@pytest.mark.parametrize(
    "action", ["webhook:address", "machine-user:rotate", "person:manage", "workflow:start", "audit:read"]
)
def test_who_only_looks_changes_nothing_and_sees_no_secret(action: str) -> None:
    assert not allows(person("ada", "viewer"), action, None)


def test_an_unknown_role_gives_nothing() -> None:
    assert person("ada", "root").permissions == ()


def test_a_refusal_says_what_is_missing_and_where() -> None:
    with pytest.raises(Refused, match=r'machine user main-auth/bot .* "workflow:start:order" in config/hub.yaml'):
        require(bot("workflow:start:other"), "workflow:start", "order")
    with pytest.raises(Refused, match=r'ada may not .* "workflow:start" and the role viewer has none'):
        require(person("ada", "viewer"), "workflow:start", None)
