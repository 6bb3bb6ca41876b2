"""Secrets of machine users, and the tokens that they are exchanged for."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_parts import tell
from kit import FakeClock

from hub.assembly.parts import Parts
from hub.client import Client
from hub.engine.surroundings import Surroundings
from hub.identity.throttle import ABOUT_NAME, Throttle
from hub.model.errors import BadInput, Conflict, NotFound, TooManyTries, Unauthenticated
from hub.model.identity import ANONYMOUS, MachineUser, Principal, allows


def nobody(parts: Parts) -> Client:
    return parts.client.acting_as(ANONYMOUS)


def given(parts: Parts, *permissions: str, name: str = "bot") -> None:
    """config/hub.yaml was changed."""
    users = {"main-auth": {name: MachineUser("main-auth", name, {}, permissions)}}
    parts.client._driver.surroundings = Surroundings(machine_users=users)


async def holder(parts: Parts, token: str) -> Principal:
    return await nobody(parts).authenticate(token)


@pytest.mark.parametrize("client_id", ["bot", "main-auth/bot"])
def test_a_secret_is_exchanged_for_a_token(project: Path, client_id: str) -> None:
    async def story(parts: Parts) -> None:
        made = await parts.client.new_secret("bot")
        token = await nobody(parts).exchange(client_id, made.secret)
        assert (token.lifetime, token.scope) == (3600, None)
        who = await holder(parts, token.token)
        assert who == MachineUser("main-auth", "bot", {}, ("workflow:start:*",)).principal
        await parts.store.flush()
        (state,) = [one for one in await parts.client.machine_users() if one.user.name == "bot"]
        assert state.last_used_at is not None
        assert [one.id for one in state.secrets] == [made.id]

    tell(project, story)


def test_wrong_credentials_are_all_told_the_same(project: Path) -> None:
    async def story(parts: Parts) -> None:
        secret = (await parts.client.new_secret("bot")).secret
        other = (await parts.client.new_secret("narrow")).secret
        told = set()
        for client_id, given_secret in (
            ("bot", ""), ("bot", other), ("bot", secret[:-1]), ("bot", secret + "x"), ("bott", secret), ("", secret),
            ("other-auth/bot", secret), ("ops", secret), ("bot", "é"), ("main-auth/", secret),
        ):  # fmt: skip
            with pytest.raises(Unauthenticated) as caught:
                await nobody(parts).exchange(client_id, given_secret)
            told.add(str(caught.value))
        assert len(told) == 1

    tell(project, story)


def test_two_secrets_are_good_while_they_are_rotated(project: Path) -> None:
    async def story(parts: Parts) -> None:
        first, second = await parts.client.new_secret("bot"), await parts.client.new_secret("bot")
        with pytest.raises(Conflict, match=f"--revoke ({first.id}|{second.id})"):
            await parts.client.new_secret("bot")
        tokens = [(await nobody(parts).exchange("bot", one.secret)).token for one in (first, second)]
        assert await parts.client.revoke_secret("bot", first.id) == [first.id]
        with pytest.raises(Unauthenticated):
            await nobody(parts).exchange("bot", first.secret)
        with pytest.raises(Unauthenticated):
            await holder(parts, tokens[0])
        assert (await holder(parts, tokens[1])).name == "bot"
        with pytest.raises(NotFound):
            await parts.client.revoke_secret("bot", first.id)
        await parts.client.new_secret("bot")

    tell(project, story)


def test_revoking_everything_ends_every_token(project: Path) -> None:
    async def story(parts: Parts) -> None:
        secret = (await parts.client.new_secret("bot")).secret
        tokens = [(await nobody(parts).exchange("bot", secret)).token, (await parts.client.make_token("bot")).token]
        foreign = (await parts.client.make_token("narrow")).token
        await parts.client.revoke_secret("bot", None)
        for token in tokens:
            with pytest.raises(Unauthenticated):
                await holder(parts, token)
        assert (await holder(parts, foreign)).name == "narrow"

    tell(project, story)


def test_rights_are_those_of_this_moment(project: Path) -> None:
    async def story(parts: Parts) -> None:
        token = (await parts.client.make_token("bot")).token
        assert allows(await holder(parts, token), "workflow:start", "greeting")
        given(parts, "execution:read")
        who = await holder(parts, token)
        assert not allows(who, "workflow:start", "greeting")
        assert allows(who, "execution:read", "greeting")
        given(parts, "admin", name="somebody-else")
        with pytest.raises(Unauthenticated):
            await holder(parts, token)

    tell(project, story)


def test_a_scope_narrows_and_never_widens(project: Path) -> None:
    async def story(parts: Parts) -> None:
        token = (await parts.client.make_token("bot", scope="workflow:start:greeting")).token
        who = await holder(parts, token)
        assert allows(who, "workflow:start", "greeting")
        assert not allows(who, "workflow:start", "asking")
        for scope in ("admin", "workflow:*", "execution:read", "nonsense", "workflow:start:* admin"):
            with pytest.raises(BadInput, match="scope"):
                await parts.client.make_token("bot", scope=scope)
        given(parts, "execution:read")
        assert (await holder(parts, token)).permissions == (), "what was taken away is gone from the scope too"

    tell(project, story)


def test_what_it_can_do_is_told(project: Path) -> None:
    async def story(parts: Parts) -> None:
        for permission, may in (
            ("workflow:start", True), ("workflow:start:greeting", True), ("workflow:start:asking", False),
            ("execution:read:greeting", True), ("execution:resume", False),
        ):  # fmt: skip
            assert parts.client.can("narrow", permission) is may, permission
        assert parts.client.can("ops", "person:manage")
        with pytest.raises(BadInput):
            parts.client.can("narrow", "everything")
        with pytest.raises(NotFound, match='Did you mean "narrow"'):
            parts.client.can("narow", "workflow:start")

    tell(project, story)


def test_guessing_a_secret_is_slowed_down(project: Path) -> None:
    async def story(parts: Parts) -> None:
        secret = (await parts.client.new_secret("bot")).secret
        parts.client._driver.gate.throttle = Throttle(FakeClock())
        answers = []
        for _ in range(60):
            try:
                await nobody(parts).exchange("bot", "hubmu_guess", address="198.51.100.1")
            except (Unauthenticated, TooManyTries) as error:
                answers.append(type(error))
        assert answers.count(Unauthenticated) == ABOUT_NAME
        with pytest.raises(TooManyTries):
            await nobody(parts).exchange("bot", secret, address="198.51.100.1")
        assert (await nobody(parts).exchange("narrow", (await parts.client.new_secret("narrow")).secret)).token

    tell(project, story)
