"""The first person claims the hub, others are invited; sessions begin and end."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from client_parts import tell
from kit import FakeClock

from hub.assembly.parts import Parts
from hub.client import Client
from hub.client.people import IDLE, LONGEST
from hub.identity.throttle import ABOUT_NAME, Throttle
from hub.model.errors import BadInput, Conflict, NotFound, Refused, TooManyTries, Unauthenticated
from hub.model.identity import ANONYMOUS, allows

PASSWORD = "correct horse battery"


def nobody(parts: Parts) -> Client:
    return parts.client.acting_as(ANONYMOUS)


async def claimed(parts: Parts, name: str = "ada") -> str:
    """The session of the first person."""
    secret = await parts.client.invite_first()
    assert secret is not None
    return (await nobody(parts).accept_invitation(secret, name, PASSWORD)).session


def test_the_first_address_works_once_and_makes_an_admin(project: Path) -> None:
    async def story(parts: Parts) -> None:
        door = nobody(parts)
        assert not await door.is_claimed()
        secret = await parts.client.invite_first()
        assert secret is not None
        session = (await door.accept_invitation(secret, "ada", PASSWORD)).session
        assert await door.is_claimed()
        ada = await door.session(session)
        assert ada is not None
        assert (ada.label, allows(ada, "person:manage", "")) == ("person:ada", True)
        for again in (secret, "hubin_guessed", ""):
            with pytest.raises(Unauthenticated):
                await door.accept_invitation(again, "eve", PASSWORD)
        assert await parts.client.invite_first() is None, "there is somebody"

    tell(project, story)


def test_a_new_address_takes_the_place_of_the_one_before(project: Path) -> None:
    async def story(parts: Parts) -> None:
        first, second = await parts.client.invite_first(), await parts.client.invite_first()
        assert first is not None
        assert second is not None
        with pytest.raises(Unauthenticated):
            await nobody(parts).accept_invitation(first, "eve", PASSWORD)
        with pytest.raises(BadInput):
            await nobody(parts).accept_invitation(second, "Not a name", PASSWORD)
        with pytest.raises(BadInput):
            await nobody(parts).accept_invitation(second, "ada", "short")
        assert (await nobody(parts).accept_invitation(second, "ada", PASSWORD)).principal.name == "ada"

    tell(project, story)


def test_only_the_operator_may_offer_it(project: Path) -> None:
    async def story(parts: Parts) -> None:
        with pytest.raises(Refused):
            await nobody(parts).invite_first()

    tell(project, story)


def test_signing_in_and_out(project: Path) -> None:
    async def story(parts: Parts) -> None:
        door = nobody(parts)
        await claimed(parts)
        for name, password in (("ada", "wrong horse battery"), ("eve", PASSWORD), ("", ""), ("ada", "")):
            with pytest.raises(Unauthenticated, match="name or password is wrong"):
                await door.sign_in(name, password)
        made = await door.sign_in("ada", PASSWORD)
        assert await door.session(made.session) == made.principal
        assert await door.session(made.session[:-1]) is None
        await door.sign_out(made.session)
        assert await door.session(made.session) is None

    tell(project, story)


def test_a_session_ends_by_resting_and_in_the_end_anyway(project: Path) -> None:
    async def story(parts: Parts) -> None:
        clock = FakeClock(parts.clock.now())
        parts.client._driver.clock = clock
        door = nobody(parts)
        session = await claimed(parts)
        clock.advance(IDLE / 1000 - 60)
        assert await door.session(session) is not None
        await parts.store.flush()
        clock.advance(IDLE / 1000 - 60)
        assert await door.session(session) is not None, "it was used in between"
        await parts.store.flush()
        clock.advance(IDLE / 1000)
        assert await door.session(session) is None
        busy = (await door.sign_in("ada", PASSWORD)).session
        for _ in range(LONGEST // IDLE * 2):
            clock.advance(IDLE / 2000)
            last = await door.session(busy)
            await parts.store.flush()
        assert last is None, "however busy it is"

    tell(project, story)


def test_an_invited_person_sets_a_password_and_has_the_role(project: Path) -> None:
    async def story(parts: Parts) -> None:
        await claimed(parts)
        secret = await parts.client.invite_person("grace", "viewer")
        door = nobody(parts)
        with pytest.raises(Unauthenticated):
            await door.sign_in("grace", PASSWORD)
        made = await door.accept_invitation(secret, "somebody-else", PASSWORD)
        assert (made.principal.name, made.principal.attributes["role"]) == ("grace", "viewer")
        with pytest.raises(Refused):
            await parts.client.acting_as(made.principal).cancel("x")
        await parts.client.set_role("grace", "operator")
        now = await door.session(made.session)
        assert now is not None
        assert now.attributes["role"] == "operator", "from the next request on"
        again = await parts.client.invite_person("grace", "viewer")
        assert (await door.accept_invitation(again, "grace", PASSWORD + "!")).principal.attributes["role"] == "operator"
        assert await door.session(made.session) is None, "a new password ends the sessions of the old one"

    tell(project, story)


def test_who_is_removed_is_out_at_once_and_the_last_admin_stays(project: Path) -> None:
    async def story(parts: Parts) -> None:
        await claimed(parts)
        grace = await nobody(parts).accept_invitation(
            await parts.client.invite_person("grace", "viewer"), "grace", PASSWORD
        )
        for change in (parts.client.remove_person("ada"), parts.client.set_role("ada", "viewer")):
            with pytest.raises(Conflict, match="only admin"):
                await change
        with pytest.raises(NotFound, match='Did you mean "grace"'):
            await parts.client.remove_person("grac")
        with pytest.raises(NotFound, match="role"):
            await parts.client.set_role("grace", "root")
        await parts.client.remove_person("grace")
        assert await nobody(parts).session(grace.session) is None
        assert [one.name for one in await parts.client.people()] == ["ada"]

    tell(project, story)


def test_guessing_is_slowed_down_and_the_right_password_does_not_help_meanwhile(project: Path) -> None:
    async def story(parts: Parts) -> None:
        await claimed(parts)
        parts.client._driver.gate.throttle = Throttle(FakeClock())
        door, admitted = nobody(parts), 0
        for _ in range(30):
            try:
                await door.sign_in("ada", "x", address="198.51.100.1")
            except TooManyTries:
                continue
            except Unauthenticated:
                admitted += 1
        assert admitted == ABOUT_NAME
        with pytest.raises(TooManyTries):
            await door.sign_in("ada", PASSWORD, address="198.51.100.1")

    tell(project, story)


def test_the_store_holds_nothing_that_opens_a_door(project: Path) -> None:
    secrets: list[str] = [PASSWORD]

    async def story(parts: Parts) -> None:
        secrets.append(await claimed(parts))
        secrets.append(await parts.client.invite_person("grace", "viewer"))
        secrets.append((await parts.client.new_secret("bot")).secret)
        secrets.append((await parts.client.make_token("bot")).token)
        offered = [row.object for row in (await parts.client.audit_page()).items]
        assert "person ada" in offered

    tell(project, story)
    with closing(sqlite3.connect(project / "var/hub.db")) as store:
        dump = "\n".join(store.iterdump())
    for one in secrets:
        assert re.sub(r"^hub[a-z]{2}_", "", one) not in dump, "neither whole nor without its prefix"
