"""Every verb of the client asks first, and every change leaves exactly one record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from client_parts import tell

from hub.assembly.parts import Parts
from hub.client import Client
from hub.model.errors import Conflict, HubError, NotFound, Refused
from hub.model.event import Event
from hub.model.identity import ANONYMOUS, MachineUser, Principal, person

EVENT = Event("none", "webhook:hook", None, "webhook", 0, 0, {})
Asking = Callable[[Client, str], Any]

#: What is asked of the client, with an execution's id at hand, and what it takes.
READS: dict[str, tuple[str, Asking]] = {
    "executors": ("executor:read", lambda client, _: client.executors()),
    "executor": ("executor:read", lambda client, _: client.executor("hook")),
    "invoker_of": ("executor:read", lambda client, _: client.invoker_of("hook")),
    "preview": ("executor:read", lambda client, _: client.preview("hook", data={"n": 1})),
    "paused": ("executor:read", lambda client, _: client.paused()),
    "deliveries": ("executor:read", lambda client, _: client.deliveries("hook")),
    "delivery": ("executor:read", lambda client, _: client.delivery("none")),
    "webhooks": ("webhook:address", lambda client, _: client.webhooks()),
    "next_slots": ("schedule:read", lambda client, _: client.next_slots("nightly", 3)),
    "workflows": ("workflow:read", lambda client, _: client.workflows()),
    "workflow": ("workflow:read", lambda client, _: client.workflow("greeting")),
    "revision": ("workflow:read", lambda client, _: client.revision("greeting")),
    "jobs_of": ("workflow:read", lambda client, _: client.jobs_of("greeting")),
    "execution": ("execution:read", lambda client, one: client.execution(one)),
    "wait": ("execution:read", lambda client, one: client.wait(one, seconds=0.01)),
    "logs": ("execution:logs", lambda client, one: client.logs(one)),
    "follow_logs": ("execution:logs", lambda client, one: asyncio.wait_for(anext(client.follow_logs(one)), 0.01)),
    "resumable": ("execution:resume", lambda client, _: client.resumable()),
    "wait_points": ("wait-point:read", lambda client, _: client.wait_points()),
    "unknown_calls": ("execution:read", lambda client, _: client.unknown_calls()),
    "event": ("event:read", lambda client, _: client.event("none")),
    "counts_between": ("event:read", lambda client, _: client.counts_between(0, 1)),
    "failed_executions": ("execution:read", lambda client, _: client.failed_executions(0)),
    "failed_deliveries": ("executor:read", lambda client, _: client.failed_deliveries(0)),
    "lags": ("metrics:read", lambda client, _: client.lags()),
    "next_fires": ("schedule:read", lambda client, _: client.next_fires(3)),
    "fires_of": ("schedule:read", lambda client, _: client.fires_of(["nightly"])),
    "clock_change": ("schedule:read", lambda client, _: client.clock_change("nightly")),
    "slots_until": ("schedule:read", lambda client, _: client.slots_until("nightly", 0, 1)),
    "funnel": ("executor:read", lambda client, _: client.funnel("hook")),
    "started_by": ("execution:read", lambda client, _: client.started_by("hook")),
    "started_within": ("execution:read", lambda client, one: client.started_within(one)),
    "waits_of": ("execution:read", lambda client, one: client.waits_of(one)),
    "statuses": ("execution:read", lambda client, one: client.statuses([one])),
    "refused_one": ("webhook:read", lambda client, _: client.refused_one(1)),
    "passed": ("event:read", lambda client, _: client.passed(EVENT)),
    "check_refused": ("webhook:verify", lambda client, _: client.check_refused(1)),
    "answer_schema": ("wait-point:read", lambda client, _: client.answer_schema("approval")),
    "executions_page": ("execution:read", lambda client, _: client.executions_page()),
    "logs_page": ("execution:logs", lambda client, one: client.logs_page(one)),
    "events_page": ("event:read", lambda client, _: client.events_page()),
    "deliveries_page": ("executor:read", lambda client, _: client.deliveries_page("hook")),
    "wait_points_page": ("wait-point:read", lambda client, _: client.wait_points_page()),
    "slots_page": ("schedule:read", lambda client, _: client.slots_page("nightly")),
    "refused_page": ("webhook:read", lambda client, _: client.refused_page()),
    "audit_page": ("audit:read", lambda client, _: client.audit_page()),
    "schedules": ("schedule:read", lambda client, _: client.schedules()),
    "nodes": ("node:read", lambda client, _: client.nodes()),
    "check_books": ("metrics:read", lambda client, _: client.check_books(0)),
    "plan": ("executor:read", lambda client, _: client.plan()),
    "machine_users": ("machine-user:read", lambda client, _: client.machine_users()),
    "changed": ("execution:read", lambda client, _: client.changed()),
    "tell_changed": ("execution:read", lambda client, _: client.tell_changed()),
    "machine_user": ("machine-user:read", lambda client, _: client.machine_user("bot")),
    "can": ("machine-user:read", lambda client, _: client.can("bot", "workflow:start")),
    "signing_keys": ("machine-user:rotate", lambda client, _: client.signing_keys()),
    "people": ("person:manage", lambda client, _: client.people()),
    "invite_first": ("person:manage", lambda client, _: client.invite_first()),
    "check_audit": ("audit:read", lambda client, _: client.check_audit()),
}

#: These ask nobody, or for a proof instead of a right; `apply` takes several rights, and has a test of its own.
OPEN = {
    "refuse_unless_allowed",
    "acting_as", "may", "invoker", "is_claimed", "accept_invitation", "sign_in", "session", "sign_out", "exchange", "authenticate", "check_keys", "apply", "claim_address",
}  # fmt: skip

CHANGES: dict[str, tuple[str, Asking]] = {
    "start": ("workflow:start", lambda client, _: client.start("greeting")),
    "resume": ("execution:resume", lambda client, one: client.resume(one)),
    "resume_all": ("execution:resume", lambda client, one: client.resume_all([one])),
    "fork": ("execution:fork", lambda client, one: client.fork(one, "greet")),
    "settle": ("execution:settle", lambda client, one: client.settle(one, "greet", 1)),
    "cancel": ("execution:cancel", lambda client, one: client.cancel(one)),
    "pause_executor": ("executor:pause", lambda client, _: client.pause_executor("hook", paused=True)),
    "trigger_executor": ("executor:trigger", lambda client, _: client.trigger_executor("hook", {"n": 1})),
    "new_secret": ("machine-user:rotate", lambda client, _: client.new_secret("bot")),
    "revoke_secret": ("machine-user:rotate", lambda client, _: client.revoke_secret("bot", None)),
    "rotate_keys": ("machine-user:rotate", lambda client, _: client.rotate_keys()),
    "make_token": ("machine-user:token", lambda client, _: client.make_token("bot")),
    "invite_person": ("person:manage", lambda client, _: client.invite_person("grace", "viewer")),
    "set_role": ("person:manage", lambda client, _: client.set_role("grace", "viewer")),
    "remove_person": ("person:manage", lambda client, _: client.remove_person("grace")),
    "send_signed": ("executor:trigger", lambda client, _: client.send_signed("hook", b"{}")),
    "trigger_and_see": ("executor:trigger", lambda client, _: client.trigger_and_see("hook", {"n": 1})),
    "release": ("webhook:release", lambda client, _: client.release(1)),
    "replay": ("event:replay", lambda client, _: client.replay("none")),
    "resolve_wait_point": ("wait-point:resolve", lambda client, one: client.resolve_wait_point(one, "approval", 1)),
}


def bot(*permissions: str) -> Principal:
    return MachineUser("main-auth", "someone", {}, permissions).principal


async def answer(asked: Any) -> Any:
    return await asked if isinstance(asked, Awaitable) else asked


async def begun(parts: Parts) -> str:
    return (await parts.client.start("greeting", {"n": 1})).id


def test_each_verb_takes_its_permission_and_no_other_will_do(project: Path) -> None:
    async def story(parts: Parts) -> None:
        one = await begun(parts)
        everything = {**READS, **CHANGES}
        public = {name for name in dir(Client) if not name.startswith("_")}
        assert public - OPEN - set(everything) == set(), "each verb stands in this table"
        for action, ask in everything.values():
            others = [bot(held) for held, _ in everything.values() if held != action]
            for principal in [ANONYMOUS, bot(), *others]:
                with pytest.raises(Refused):
                    await answer(ask(parts.client.acting_as(principal), one))
        for name, (action, ask) in everything.items():
            try:
                await answer(ask(parts.client.acting_as(bot(action)), one))
            except (NotFound, Conflict, TimeoutError, StopAsyncIteration):
                pass
            except Refused as error:
                pytest.fail(f"{name}: {error}")

    tell(project, story)


@pytest.mark.parametrize("verb", CHANGES)
@pytest.mark.parametrize("who", ["local", "allowed", "refused"])
def test_a_change_leaves_exactly_one_record(project: Path, verb: str, who: str) -> None:
    action, ask = CHANGES[verb]
    principals = {"allowed": bot(action), "refused": bot()}

    async def story(parts: Parts) -> None:
        one = await begun(parts)
        client = parts.client if who == "local" else parts.client.acting_as(principals[who])
        (first,) = (await parts.client.audit_page()).items
        with suppress(HubError):
            await answer(ask(client, one))
        record, before = (await parts.client.audit_page()).items
        assert before == first
        assert (record.who, record.action) == (client.principal.label, action)
        assert ("needs the permission" in record.result) is (who == "refused")
        assert (await parts.client.check_audit()).count == 2

    tell(project, story)


def test_reading_leaves_no_record_and_neither_does_nobody(project: Path) -> None:
    async def story(parts: Parts) -> None:
        one = await begun(parts)
        for _, ask in READS.values():
            for client in (parts.client, parts.client.acting_as(ANONYMOUS)):
                with suppress(HubError, TimeoutError):
                    await answer(ask(client, one))
        for _, ask in CHANGES.values():
            with suppress(Refused):
                await answer(ask(parts.client.acting_as(ANONYMOUS), one))
        assert len((await parts.client.audit_page()).items) == 1

    tell(project, story)


def test_a_record_says_what_was_before_and_after_and_why_not(project: Path) -> None:
    async def story(parts: Parts) -> None:
        ada = parts.client.acting_as(person("ada", "operator"))
        one = await begun(parts)
        await ada.cancel(one)
        with pytest.raises(Conflict):
            await ada.cancel(one)
        await ada.pause_executor("hook", paused=True)
        again, failed, done, _ = (await parts.client.audit_page()).items
        assert (done.who, done.object, done.before, done.after, done.result) == (
            "person:ada",
            f"execution {one}",
            "PENDING",
            "CANCELED",
            "done",
        )
        assert (failed.before, failed.after, failed.result) == (
            "CANCELED",
            "CANCELED",
            f"execution {one} is CANCELED and cannot be canceled.",
        )
        assert (again.object, again.before, again.after) == ("executor hook", "active", "paused")

    tell(project, story)


def test_an_input_of_ones_own_for_another_machine_user_is_a_right(project: Path) -> None:
    async def story(parts: Parts) -> None:
        failed = (await parts.client.start("stumbling", {"n": 1}, invoker=parts.client.invoker("bot"))).id
        anonymous = (await parts.client.start("stumbling", {"n": 1})).id
        held = ("execution:fork", "execution:resume")
        ada = parts.client.acting_as(person("ada", "operator"))
        ops = parts.client.acting_as(Principal("machine_user", "ops", "other-auth", held))
        for refused in (ops.fork(failed, "stumble", {"n": 2}), ops.resume(failed, {"n": 2})):
            with pytest.raises(Refused, match="machine-user:act-as:bot"):
                await refused
        itself = parts.client.acting_as(Principal("machine_user", "bot", "main-auth", held))
        for allowed in (
            ops.fork(failed, "stumble"),
            ops.fork(anonymous, "stumble", {"n": 2}),  # it acts as nobody
            ada.fork(failed, "stumble", {"n": 2}),
            itself.fork(failed, "stumble", {"n": 2}),
        ):
            with pytest.raises(NotFound, match='no call "stumble"'):  # nothing of it has run
                await allowed

    tell(project, story)


def test_lists_show_what_may_be_seen_and_foreign_objects_are_refused(project: Path) -> None:
    async def story(parts: Parts) -> None:
        own, foreign = await begun(parts), (await parts.client.start("asking")).id
        narrow = parts.client.acting_as(bot("execution:read:greeting", "execution:cancel:greet*", "executor:read:h*"))
        assert [one.id for one in (await narrow.executions_page()).items] == [own]
        assert [one.name for one in narrow.executors()] == ["hook"]
        for refused in (narrow.execution(foreign), narrow.cancel(foreign), narrow.executions_page(workflow="asking")):
            with pytest.raises(Refused):
                await refused
        with pytest.raises(Refused):
            narrow.executor("nightly")

    tell(project, story)


def test_acting_as_another_machine_user_is_a_right(project: Path) -> None:
    async def story(parts: Parts) -> None:
        bot_user = parts.client.invoker("bot")
        assert bot_user is not None
        own = parts.client.acting_as(bot_user.principal)
        assert own.invoker(None) == bot_user, "a machine user acts as itself"
        record = await parts.client.execution((await own.start("greeting", invoker=bot_user)).id)
        assert record.requested_by == "machine-user:main-auth/bot"
        with pytest.raises(Refused, match="machine-user:act-as:ops"):
            await own.start("greeting", invoker=own.invoker("other-auth/ops"))
        allowed = parts.client.acting_as(bot("workflow:start", "machine-user:act-as:ops"))
        assert (await allowed.start("greeting", invoker=allowed.invoker("ops"))).created

    tell(project, story)


def test_applying_an_executor_that_acts_as_a_machine_user_is_a_right(project: Path) -> None:
    async def story(parts: Parts) -> None:
        for held in (
            ["executor:apply"],
            ["executor:apply:hook", "executor:apply:nightly"],
            ["machine-user:act-as:bot"],
        ):
            with pytest.raises(Refused):
                await parts.client.acting_as(bot(*held)).apply()
        assert (await parts.client.plan()).put, "nothing was put into effect"
        before = len((await parts.client.audit_page()).items)
        await parts.client.acting_as(bot("executor:apply", "machine-user:act-as:bot")).apply()
        assert (await parts.client.plan()).changes == ()
        record = ((await parts.client.audit_page()).items)[0]
        assert len((await parts.client.audit_page()).items) == before + 1
        assert record.after == "add executor hook, add executor nightly, add schedule nightly"

    tell(project, story)
