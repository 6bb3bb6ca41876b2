"""People, sessions, machine users' secrets and the audit log: the same on every database, also when several come at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kit import NOON, FakeClock

from hub.model.audit import AuditEntry
from hub.model.errors import Conflict, NotFound, Unauthenticated
from hub.model.people import Person
from hub.store import Store, open_store
from hub.store.machine_users import NewSecret, PermissionUse, Revoke
from hub.store.people import AcceptInvitation, Invite, InviteFirst, OpenSession
from hub.store.tries import RightTry, WrongTry

LATER = NOON + 1_000_000


def tell(url: str, story: Callable[[Store], Awaitable[None]]) -> None:
    async def whole() -> None:
        store = open_store(url, FakeClock(), checkpoints=False)
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


def entry(object: str = "executor hook") -> AuditEntry:
    return AuditEntry(NOON, "person:ada", "executor:pause", object)


async def outcome(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except Exception as error:
        return type(error)


def test_one_of_many_who_claim_at_once_is_the_first(store_url: str) -> None:
    async def story(store: Store) -> None:
        assert await store.invite_first(InviteFirst("secret", NOON, LATER))
        found = await asyncio.gather(
            *[
                outcome(store.accept_invitation(AcceptInvitation("secret", f"person-{n}", "hash", NOON)))
                for n in range(8)
            ]
        )
        people = [one for one in found if isinstance(one, Person)]
        assert [one.role for one in people] == ["admin"]
        assert found.count(Unauthenticated) == 7
        assert [one.name for one in await store.people()] == [people[0].name]
        assert not await store.invite_first(InviteFirst("again", NOON, LATER))

    tell(store_url, story)


@pytest.mark.parametrize("store_url", ["sqlite", "postgres"], indirect=True)
def test_of_two_processes_that_claim_at_once_one_is_the_first(store_url: str) -> None:
    async def story(store: Store) -> None:
        other = open_store(store_url, FakeClock(), checkpoints=False)
        try:
            for n in range(5):
                await store.invite(Invite(f"secret-{n}", "grace", "viewer", NOON, LATER))
                claims = [
                    one.accept_invitation(AcceptInvitation(f"secret-{n}", "grace", f"hash-{n}", NOON))
                    for one in (store, other)
                ]
                found = await asyncio.gather(*map(outcome, claims))
                assert found.count(Unauthenticated) == 1
        finally:
            await other.close()

    tell(store_url, story)


def test_invitations_end_and_are_replaced(store_url: str) -> None:
    async def story(store: Store) -> None:
        await store.invite(Invite("one", "grace", "viewer", NOON, LATER), entry())
        await store.invite(Invite("two", "grace", "admin", NOON, LATER))
        assert await outcome(store.accept_invitation(AcceptInvitation("one", "grace", "hash", NOON))) is Unauthenticated
        assert (
            await outcome(store.accept_invitation(AcceptInvitation("two", "grace", "hash", LATER))) is Unauthenticated
        ), "too late"
        await store.invite(Invite("three", "grace", "admin", NOON, LATER))
        assert (
            await store.accept_invitation(AcceptInvitation("three", "x", "hash", NOON), entry())
        ).role == "viewer", "the role stays"
        assert (
            await outcome(store.accept_invitation(AcceptInvitation("three", "x", "stolen", NOON))) is Unauthenticated
        ), "it works once"
        assert await store.password_of("grace") == "hash"
        assert await store.password_of("nobody") is None

    tell(store_url, story)


def test_sessions_of_the_present_password_only(store_url: str) -> None:
    async def story(store: Store) -> None:
        await store.invite(Invite("one", "grace", "viewer", NOON, LATER))
        await store.accept_invitation(AcceptInvitation("one", "grace", "hash", NOON))
        stale = OpenSession("d0", "grace", "another hash", NOON, LATER)
        assert await outcome(store.open_session(stale, entry())) is Unauthenticated
        await store.open_session(OpenSession("d1", "grace", "hash", NOON, LATER), entry())
        found = await store.session_person("d1", NOON + 5, 100)
        assert found is not None
        assert (found[0].name, found[1]) == ("grace", NOON)
        assert await store.session_person("d1", NOON + 100, 100) is None, "it rested"
        store.session_seen("d1", NOON + 90)
        await store.flush()
        assert await store.session_person("d1", NOON + 100, 100) is not None
        assert await store.session_person("d1", LATER, 10**9) is None, "its end"
        await store.close_session("d1", entry())
        assert await store.session_person("d1", NOON + 5, 100) is None

    tell(store_url, story)


def test_the_last_admin_stays(store_url: str) -> None:
    async def story(store: Store) -> None:
        for name in ("ada", "grace"):
            await store.invite(Invite(name, name, "admin", NOON, LATER))
        await store.accept_invitation(AcceptInvitation("ada", "ada", "hash", NOON))
        assert await outcome(store.remove_person("ada", entry())) is Conflict, "the other one was never here"
        await store.accept_invitation(AcceptInvitation("grace", "grace", "hash", NOON))
        found = await asyncio.gather(*[outcome(store.set_role(name, "viewer", entry())) for name in ("ada", "grace")])
        assert sorted(found, key=str) == sorted([None, Conflict], key=str)
        assert await outcome(store.set_role("nobody", "viewer")) is NotFound
        roles = {one.name: one.role for one in await store.people()}
        assert sorted(roles.values()) == ["admin", "viewer"]

    tell(store_url, story)


def test_two_secrets_and_no_third(store_url: str) -> None:
    async def story(store: Store) -> None:
        made = [NewSecret(f"s{n}", "main", "bot", f"digest-{n}", NOON + n) for n in range(4)]
        found = await asyncio.gather(*[outcome(store.new_secret(one, entry())) for one in made])
        assert found.count(None) == 2
        assert found.count(Conflict) == 2
        await store.new_secret(NewSecret("other", "spare", "bot", "x", NOON), entry())
        live = [one.id for one in await store.machine_secrets("main", "bot")]
        assert await store.revoke(Revoke("main", "bot", live[0], NOON), entry()) == [live[0]]
        assert await outcome(store.revoke(Revoke("main", "bot", "other", NOON), entry())) is NotFound
        assert (await store.token_state("main", "bot", live[0])).secret_revoked is True
        assert (await store.token_state("main", "bot", live[1])).secret_revoked is False
        assert (await store.token_state("main", "bot", "other")).secret_revoked is None, "somebody else's"
        assert await store.revoke(Revoke("main", "bot", None, NOON), entry()) == [live[1]]
        assert (await store.token_state("main", "bot", "")).tokens_after > NOON
        store.secret_used("other", NOON + 7)
        store.permission_used(PermissionUse("main", "bot", "admin", NOON + 8))
        await store.flush()
        store.permission_used(PermissionUse("main", "bot", "admin", NOON + 9))
        await store.flush()
        assert {one.id: one.last_used_at for one in await store.machine_secrets()}["other"] == NOON + 7
        assert await store.permission_uses() == {("main", "bot", "admin"): NOON + 9}

    tell(store_url, story)


def test_the_chain_holds_whoever_writes_at_once(store_url: str) -> None:
    async def story(store: Store) -> None:
        others = [] if store_url == "sqlite://" else [open_store(store_url, FakeClock(), checkpoints=False)]
        try:
            work = [
                outcome(one.pause(f"executor-{n % 3}", paused=bool(n % 2), entry=entry(f"executor executor-{n % 3}")))
                for n in range(30)
                for one in (store, *others)
            ]
            assert set(await asyncio.gather(*work)) == {None}
            records = await store.audit(limit=100)
            assert [one.number for one in records] == list(range(len(work), 0, -1))
            found = await store.check_audit()
            assert (found.ok, found.count) == (True, len(work))
            assert {one.after for one in records} == {"paused", "active"}
        finally:
            for one in others:
                await one.close()

    tell(store_url, story)


@pytest.mark.parametrize("text", ["", "é☂\U0001f600", "a\nb", "'; DROP TABLE audit; --", "\x1b[31m", "x" * 5_000])
def test_any_text_is_recorded(store_url: str, text: str) -> None:
    async def story(store: Store) -> None:
        await store.record(AuditEntry(NOON, text, text, text), text, before=text, after=None)
        (record,) = await store.audit()
        assert (record.who, record.before, record.result[:1_000]) == (text, text, text[:1_000])
        assert (await store.check_audit()).ok

    tell(store_url, story)


@pytest.mark.parametrize("store_url", ["sqlite", "postgres"], indirect=True)
def test_wrong_tries_are_added_up_capped_forgiven_and_forgotten(store_url: str) -> None:
    async def story(store: Store) -> None:
        numbers = iter(range(1_000))

        async def free_at(at: int, times: int) -> dict[str, int]:
            for _ in range(times):
                store.wrong_try(next(numbers), WrongTry("place", at, 3_000, 60_000))
            await store.flush()
            return dict(await store.tries(["place", "nobody"]))

        assert await free_at(NOON, 2) == {"place": NOON + 6_000}
        assert await free_at(NOON + 1_000, 1) == {"place": NOON + 9_000}, "from where it was"
        assert await free_at(NOON + 20_000, 1) == {"place": NOON + 23_000}, "what has passed counts no more"
        assert await free_at(NOON + 20_000, 100) == {"place": NOON + 80_000}, "never more than the most"
        assert await free_at(NOON - 86_400_000, 1) == {"place": NOON - 86_400_000 + 3_000}, "the clock was set back"
        await free_at(NOON, 5)
        store.right_try(RightTry("ada from there", NOON + 500_000, "place"))
        await store.flush()
        assert dict(await store.tries(["place", "ada from there"])) == {"ada from there": NOON + 500_000}
        store.wrong_try(next(numbers), WrongTry("another", NOON + 500_001, 3_000, 60_000))
        await store.flush()
        assert dict(await store.tries(["place", "ada from there", "another"])) == {"another": NOON + 503_001}

    tell(store_url, story)
