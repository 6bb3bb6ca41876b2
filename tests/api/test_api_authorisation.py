"""Who is let in where: every operation, asked by everybody, for an object of theirs and for another one, is in `authorisation.txt`.

The table is the expectation, read and agreed to by people; the cells are made from the declared operations. To see what a change
would make of it: `python tests/api/test_api_authorisation.py FOLDER`, with a new folder, prints it anew.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_site import EXECUTORS, TOKENS, ApiSite, opened, play
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.api.operations import PUBLIC, Operation
from hub.identity.gate import Gate
from hub.identity.tokens import LIFETIME, TokenClaims
from hub.model.actions import ACTIONS
from hub.model.identity import Principal, person
from hub.store.refused import RefusedDelivery

TABLE = Path(__file__).with_name("authorisation.txt")


def holder(*names: str) -> Principal:
    """A machine user with every right there is, for objects of these names only."""
    resources = {action.partition(":")[0] for action in ACTIONS}
    rights = tuple(f"{resource}:*:{name}" for resource in sorted(resources) for name in names)
    return Principal("machine_user", names[0], "main-auth", rights)


#: Who asks -> the token that they show. None: none.
PRINCIPALS: dict[str, str | None] = {
    "nobody": None,
    "made-up": "made-up",
    "webhook": "the secret in a webhook's address",
    "expired": "made by the hub, an hour ago",
    "foreign": "made by another hub",
    "narrowed": "made by the hub for the admin, and good for reading the workflow adding only",
    "idle": "idle",
    "owner": "owner",
    "other": "other",
    "viewer": "viewer",
    "operator": "operator",
    "admin": "person-admin",
    "machine": "admin",
}
OWN = {"executor": "number-hook", "workflow": "adding", "schedule": "nightly", "user": "bot", "call": "add/double"}
FOREIGN = {
    "executor": "second-hook",
    "workflow": "failing",
    "schedule": "weekly",
    "user": "reader",
    "call": "fall-over",
}
_MORE = {
    "second-hook": EXECUTORS["number-hook"].replace("adding", "failing"),
    "weekly": EXECUTORS["nightly"].replace("2 * * *", "2 * * 0").replace("adding", "failing"),
}
BODIES: dict[str, Any] = {
    "triggerExecutor": {"data": {"n": 1}},
    "previewExecutor": {"data": {"n": 1}},
    "startExecution": {"args": {}, "invoker": "anonymous"},
    "resumeExecution": {},
    "resumeExecutions": {},
    "resolveWaitPoint": {"result": True},
    "replayEvent": {},
    "makeMachineSecret": {},
    "makeMachineToken": {},
    "invitePerson": {"name": "grace", "role": "viewer"},
    "setRole": {"role": "viewer"},
}
QUERIES = {"canMachineUser": {"permission": "workflow:start"}}
#: Whoever is let in is told that it is not there (nobody asks for consent, and nobody has that secret), or that it can only be
#: looked at (no delivery was sealed here).
_AND_THEN = {
    "resolveWaitPoint": 404,
    "revokeMachineSecret": 404,
    "setRole": 404,
    "removePerson": 404,
    "verifyRefusedDelivery": 422,
    "releaseRefusedDelivery": 422,
}


def refused(executor: str) -> RefusedDelivery:
    """One that was turned away, and sealed by somebody else."""
    return RefusedDelivery(executor, 0, "POST", f"/webhooks/{executor}", {}, b"{}", 2, "signature", "it is wrong", b"")


class Matrix:
    """A hub with an object of each kind that is the owner's, and one that is not."""

    def __init__(self, hub: ApiSite) -> None:
        self.hub = hub
        self.objects: list[dict[str, str]] = []

    async def fill(self) -> None:
        for names in (OWN, FOREIGN):
            event = await self.hub.post(
                f"/api/v1/executors/{names['executor']}/trigger", {"data": {"n": 1}}, status=201
            )
            self.objects.append(
                {
                    **names,
                    "event": event["id"],
                    "delivery": event["deliveries"][0]["id"],
                    "execution": await self.hub.run(names["workflow"], {}),
                    "refused": str(len(self.objects) + 1),
                }
            )
            self.hub.parts.store.keep_refused(refused(names["executor"]))
        (hook, _) = (await self.hub.get("/api/v1/webhooks"))["items"]
        PRINCIPALS["webhook"] = hook["url"].rpartition("/")[2]
        clock, ours = self.hub.parts.clock, Gate(self.hub.parts.files.root, self.hub.parts.clock)
        theirs = Gate(self.hub.parts.files.root / "elsewhere", clock)
        then = clock.now() - (LIFETIME + 1) * 1_000
        for who, gate, issued, scope in (
            ("expired", ours, then, None),
            ("foreign", theirs, clock.now(), None),
            ("narrowed", ours, clock.now(), ("workflow:read:adding",)),
        ):
            PRINCIPALS[who] = gate.tokens.issue(TokenClaims("main-auth", "admin", "", scope, issued), "token")

    def path(self, operation: Operation, names: dict[str, str]) -> str:
        kind = operation.path.split("/")[3] if operation.path.startswith("/api/") else ""
        one = {
            "executors": "executor",
            "workflows": "workflow",
            "schedules": "schedule",
            "machine-users": "user",
            "people": "user",
        }
        by_id = {"events": "event", "executors": "delivery", "refused-deliveries": "refused"}.get(kind, "execution")
        # A wait point's right is the wait point's own name.
        key = "approval" if names is self.objects[0] else "consent"
        return operation.path.format(name=names.get(one.get(kind, ""), ""), id=names[by_id], key=key)

    async def verdict(self, operation: Operation, who: str, names: dict[str, str]) -> str:
        body = BODIES.get(operation.id)
        if operation.id == "forkExecution":
            body = {"from": names["call"]}
        if operation.id == "settleCall":
            body = {"path": names["call"], "said": {"again": True}}
        how = {} if body is None else {"json": body}
        query = QUERIES.get(operation.id, {})
        answer = await self.hub.ask(operation.method, self.path(operation, names), PRINCIPALS[who], params=query, **how)
        known = (200, 201, 401, 403, 409, _AND_THEN.get(operation.id))
        assert answer.status_code in known, answer.text
        return str(answer.status_code) if answer.status_code in (401, 403) else "in"

    async def rows(self) -> list[str]:
        width = max(len(one.id) for one in self.hub.operations)
        head = "".join(f" {who:>8}" for who in PRINCIPALS)
        made = [f"{'':{width}}{head}"]
        for operation in self.hub.operations:
            cells = [[await self.verdict(operation, who, names) for names in self.objects] for who in PRINCIPALS]
            shown = [own if own == foreign else f"{own}/{foreign}" for own, foreign in cells]
            made.append(f"{operation.id:{width}}" + "".join(f" {cell:>8}" for cell in shown))
        return made


async def matrix(hub: ApiSite) -> list[str]:
    made = Matrix(hub)
    await made.fill()
    return await made.rows()


@pytest.fixture(autouse=True)
def _holders(monkeypatch: pytest.MonkeyPatch) -> None:
    add_holders(monkeypatch.setitem)


def add_holders(put: Any) -> None:
    put(TOKENS, "owner", holder(*OWN.values(), "approval"))
    put(TOKENS, "other", holder("something-else"))
    put(TOKENS, "person-admin", person("ada", "admin"))
    for name, text in _MORE.items():
        put(EXECUTORS, name, text)


def test_everybody_is_let_in_where_the_table_says_and_nowhere_else(quick_path: Path) -> None:
    found = play(quick_path, matrix)
    expected = TABLE.read_text().splitlines()
    assert found == expected, "\n".join(["authorisation.txt says otherwise:", *found])


def test_lists_hold_what_one_may_see_and_nothing_else(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        made = Matrix(hub)
        await made.fill()
        own, foreign = made.objects
        for operation in hub.operations:
            # Of all that is an object of a permission; the audit log and the nodes are not.
            if operation.method == "GET" and not operation.in_path and operation.action not in (PUBLIC, *_NAMELESS):
                text = (await hub.ask("GET", operation.path, "owner")).text
                hidden = [name for key, name in foreign.items() if key != "call" and f'"{name}"' in text]
                assert hidden == [], operation.id
                if operation.id not in ("listWaitPoints", "listRefusedDeliveries", "listChangedExecutions"):
                    assert any(name in text for name in own.values()), operation.id

    play(quick_path, story)


_NAMELESS = ("audit:read", "node:read", "metrics:read", "person:manage")


def variants(path: str) -> Iterator[str]:
    """The same path to a careless eye."""
    first, _, rest = path[1:].partition("/")
    yield from (f"{path}/", f"/{path}", f"{path}//", path.upper(), f"{path}/configs", f"{path}.json", f"{path};x=1")
    yield from (f"{path}%2f", f"{path}%00", f"{path}/%2e", f"{path}/..;/", f"/%2e{path}", f"/x/..{path}", f"{path}%20")
    yield from (f"/{first}%2f{rest}", f"/{first}//{rest}", f"/{first}/./{rest}", f"/{first.title()}/{rest}")


def test_no_spelling_of_a_path_is_a_way_around(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> int:
        made, asked = Matrix(hub), 0
        await made.fill()
        for operation in hub.operations:
            path = made.path(operation, made.objects[0])
            for spelling in variants(path):
                for method in (operation.method, "GET", "POST"):
                    for token in (None, "idle"):
                        status = await hub.raw(method, spelling, token)
                        assert status in (400, 401, 403, 404, 405), (method, spelling, status)
                        asked += 1
            for method in ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"):
                status = await hub.raw(method, path)
                public = operation.action == PUBLIC and method == "HEAD"
                assert status in ((200,) if public else (401, 405)), (method, path, status)
                asked += 1
        return asked

    assert play(quick_path, story) > 3_000


_PIECES = st.text(alphabet="/.;%\\\\?#:@ ~abzAZ019_-", max_size=6)
_CODED = st.sampled_from(
    ["%2e", "%2f", "%00", "%5c", "%3b", "%ff", "%c0%ae", "..", "//", "/./", ";a=b", "configs", ".json"]
)


def test_no_made_up_path_is_answered_to_somebody_unknown(quick_path: Path) -> None:
    async def begin() -> tuple[Any, ApiSite]:
        opening = opened(quick_path)
        return opening, await opening.__aenter__()

    with asyncio.Runner() as runner:
        opening, hub = runner.run(begin())
        guarded = [one for one in hub.operations if one.action != PUBLIC]

        @settings(max_examples=400, deadline=None, database=None)
        @given(data=st.data())
        def one(data: st.DataObject) -> None:
            operation = data.draw(st.sampled_from(guarded))
            path = operation.path.format(id="01ARZ3NDEKTSV4RRFFQ69G5FAV", name="number-hook", key="approval")
            at = data.draw(st.integers(0, len(path)))
            strange = f"{path[:at]}{data.draw(_PIECES)}{data.draw(_CODED)}{path[at:]}"
            if strange.startswith("/webhooks/"):
                return
            status = runner.run(hub.raw(operation.method, strange))
            assert status in (401, 404, 405, 414), (strange, status)

        try:
            one()
        finally:
            runner.run(opening.__aexit__(None, None, None))


if __name__ == "__main__":
    add_holders(dict.__setitem__)
    print(*play(Path(sys.argv[1]), matrix), sep="\n")  # noqa: T201 - a table for people
