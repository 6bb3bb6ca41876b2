"""Every status that the OpenAPI document promises, for every operation: each is really given, and no other one is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_site import ApiSite, play

from hub.api.openapi import document, statuses_of
from hub.api.operations import PUBLIC, Operation
from hub.assembly.examining import project_seal
from hub.declare.body_schema import BodySchema, flaws
from hub.store.refused import RefusedDelivery
from hub.triggers.webhook.request import RawRequest

NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

#: What no error may tell: traces, SQL, places on the machine, versions.
DENIED = re.compile(
    r"Traceback|File \"|line \d+, in|sqlite|psycopg|SELECT |INSERT |/work|/dev/shm|/tmp|/usr|site-packages|\d+\.\d+\.\d+",
    re.IGNORECASE,
)

#: Operation -> a body that it takes.
BODIES: dict[str, Any] = {
    "triggerExecutor": {"data": {"n": 1}},
    "startExecution": {"args": {"n": 1}, "invoker": "anonymous"},
    "resumeExecution": {},
    "resumeExecutions": {"really": True},
    "forkExecution": {"from": "add/double"},
    "settleCall": {"path": "fall-over", "said": {"result": 1}},
    "resolveWaitPoint": {"result": True},
    "replayEvent": {},
    "makeMachineSecret": {},
    "makeMachineToken": {},
    "invitePerson": {"name": "grace"},
    "setRole": {"role": "viewer"},
}


class Driver:
    """Makes a hub give an answer that is wanted of it."""

    def __init__(self, hub: ApiSite) -> None:
        self.hub = hub
        self.bodies = dict(BODIES)
        self.names = {
            "schedules": "nightly",
            "workflows": "adding",
            "executors": "number-hook",
            "machine-users": "bot",
            "people": "grace",
        }

    async def path(self, operation: Operation) -> str:
        """The operation's path, with things in it for which it succeeds."""
        found = {"name": self.names.get(operation.path.split("/")[3], "") if operation.in_path else ""}
        if "id" in operation.in_path:
            found["id"] = await self.identifier(operation)
        if operation.id in ("setRole", "removePerson"):
            await self.hub.post("/api/v1/people", {"name": "grace"}, status=201)
        if operation.id == "resolveWaitPoint":
            (asked,) = (await self.hub.get("/api/v1/wait-points", execution=found["id"]))["items"]
            found["key"] = asked["key"]
        if operation.id == "previewExecutor":
            event = await self.hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": 1}}, status=201)
            self.bodies[operation.id] = {"event_id": event["id"]}
        needed = "?permission=workflow:start" if operation.id == "canMachineUser" else ""
        return operation.path.format(**found) + needed

    async def identifier(self, operation: Operation) -> str:
        match operation.id:
            case "getEvent" | "replayEvent" | "getDelivery":
                event = await self.hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": 1}}, status=201)
                return str(event["deliveries"][0]["id"] if operation.id == "getDelivery" else event["id"])
            case "resumeExecution" | "settleCall":
                return await self.hub.run("failing")
            case "cancelExecution" | "resolveWaitPoint":
                return await self.hub.run("asking")
            case "verifyRefusedDelivery" | "releaseRefusedDelivery":
                return await self.refused(b"{}")
            case "revokeMachineSecret":
                await self.hub.ask("DELETE", "/api/v1/machine-users/bot/secrets")
                made = await self.hub.post("/api/v1/machine-users/bot/secrets", status=201)
                return str(made["id"])
            case _:
                return await self.hub.run("adding", {"n": 1})

    async def refused(self, body: bytes, *, sealed: bool = True) -> str:
        """The number of a delivery that was turned away; with a body that is JSON it would be taken now."""
        parts = self.hub.parts
        request = RawRequest("POST", "/webhooks/number-hook", [(b"content-type", b"application/json")], body)
        seal = project_seal(parts.files.root).close(request) if sealed else b"made elsewhere"
        at = parts.clock.now()
        parts.store.keep_refused(
            RefusedDelivery("number-hook", at, "POST", request.url, {}, body, len(body), "body", "it was not", seal)
        )
        await parts.store.flush()
        return str((await self.hub.get("/api/v1/refused-deliveries", limit=1))["items"][0]["id"])

    async def conflicting(self, operation: Operation, path: str) -> str:
        """A path for which the operation is in conflict with what is so."""
        match operation.id:
            case "releaseRefusedDelivery":
                return operation.path.format(id=await self.refused(b"no JSON"))
            case "startExecution":
                asked = {"invoker": "anonymous", "idempotency_key": "once"}
                await self.hub.post("/api/v1/workflows/failing/executions", asked, status=201)
                return path
            case "setRole" | "removePerson":
                ada = {"name": "ada", "role": "admin"}
                address = (await self.hub.post("/api/v1/people", ada, status=201))["address"]
                await self.hub.parts.client.accept_invitation(
                    address.rpartition("/")[2], "ada", "a password that is long enough"
                )
                return path.replace("grace", "ada")
            case _:
                await self.call(operation, path)
                return path

    async def call(self, operation: Operation, path: str, token: str | None = "admin", **how: Any) -> httpx.Response:
        if not how and operation.id in self.bodies:
            how["json"] = self.bodies[operation.id]
        return await self.hub.ask(operation.method, path, token, **how)

    async def give(self, operation: Operation, status: int) -> httpx.Response:
        path, how = await self.path(operation), await self.spoilt(operation, status)
        if status == 404:
            _, question, query = path.partition("?")
            path = operation.path.format(id=NOBODY, name="nobody-knows", key="nothing") + question + query
        more = "&" if "?" in path else "?"
        if status == 414:
            path += more + "x" * 9_000
        if status == 400 and operation.body is None and operation.query:
            path += more + "nothing=1"
        if status == 422 and operation.body is None:
            path = path.replace("nightly", "number-hook").replace("/bot/", "/twin/")
            if "refused" in path:
                path = operation.path.format(id=await self.refused(b"{}", sealed=False))
        if status == 409:
            path = await self.conflicting(operation, path)
        if status == 503:
            self.hub.troubles.append("it rains.")
        return await self.call(operation, path, **how)

    async def spoilt(self, operation: Operation, status: int) -> dict[str, Any]:
        """What is wrong with a request that is to get this status."""
        typed = {"headers": {"content-type": "application/json"}}
        bodies: dict[int, dict[str, Any]] = {
            400: {"content": b"{", **typed} if operation.body is not None else {"json": {"nothing": 1}},
            413: {"content": b" " * 1_048_577, **typed},
            415: {"content": b"{}", "headers": {"content-type": "text/plain"}},
            422: {} if operation.body is None else {"json": {"nothing": 1}},
        }
        tokens: dict[int, Any] = {401: {"token": None}, 403: {"token": "idle"}, 429: {"token": "one too many"}}
        if operation.id == "startExecution" and status == 409:
            return {"json": {"invoker": "anonymous", "idempotency_key": "once"}}
        if operation.id == "makeMachineToken" and status == 422:
            return {"json": {"scope": "admin"}}
        return tokens.get(status) or (bodies.get(status, {}) if operation.method != "GET" else {})


def test_every_documented_status_is_given(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        driver = Driver(hub)
        for operation in hub.operations:
            documented = [operation.status, *statuses_of(operation)]
            for status in documented:
                if status == 503 and operation.id != "isReady":
                    continue  # the next test
                answer = await driver.give(operation, status)
                assert answer.status_code == status, (operation.id, status, answer.text)
                assert DENIED.search(answer.text) is None or status < 400, answer.text
                if status >= 400 and operation.id != "isReady":
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert answer.json()["status"] == status
                hub.troubles.clear()

    play(quick_path, story)


def test_every_change_is_one_record_of_who_made_it(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        driver = Driver(hub)
        for operation in hub.operations:
            if operation.method == "GET" or operation.action.endswith(":read"):
                continue
            path = await driver.path(operation)
            if operation.id == "resumeExecutions":
                await hub.run("failing")
            for token, result in (("admin", "done"), ("idle", "may not")):
                before = (await hub.get("/api/v1/audit", limit=1))["items"]
                answer = await driver.call(operation, path, token)
                assert answer.status_code in (operation.status, 403), answer.text
                last = before[0]["number"] if before else 0
                new = [one for one in (await hub.get("/api/v1/audit"))["items"] if one["number"] > last]
                assert len(new) == 1, (operation.id, token, new)
                assert (new[0]["action"], result in new[0]["result"]) == (operation.action, True), (operation.id, new)
                assert new[0]["who"] == f"machine-user:main-auth/{token}"

    play(quick_path, story)


def test_a_store_that_cannot_be_asked_is_503_wherever_it_is_asked(
    quick_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(hub: ApiSite) -> None:
        driver = Driver(hub)
        paths = {operation.id: await driver.path(operation) for operation in hub.operations}
        await hub.parts.store.flush()
        for file in (quick_path / "var").glob("hub.db*"):
            file.write_bytes(b"damaged" * 1000)
        for operation in hub.operations:
            if operation.action == PUBLIC:
                continue
            answer = await driver.call(operation, paths[operation.id])
            assert (answer.status_code == 503) == (503 in statuses_of(operation)), (operation.id, answer.text)
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "1"
                assert ("may have been done" in answer.text) == (operation.method != "GET"), operation.id
                assert "damaged" not in answer.text
                assert str(quick_path) not in answer.text
        assert (await hub.ask("GET", "/readyz", None)).status_code == 503

    play(quick_path, story)
    unread = [(one.name, one.levelname) for one in caplog.records if "cannot be read" in one.getMessage()]
    assert unread == [("hub.store.outage", "WARNING")], "once, however many ask"


def test_the_document_is_openapi_and_every_schema_in_it_can_be_used(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> dict[str, Any]:
        found = await hub.get("/openapi.json", None)
        assert found == json.loads(json.dumps(document(hub.operations, "http://hub")))
        return found  # type: ignore[no-any-return]

    made: dict[str, Any] = play(quick_path, story)
    assert made["openapi"] == "3.1.0"
    schemas = made["components"]["schemas"]
    for name, schema in schemas.items():
        assert flaws({**schema, "components": made["components"]}) == [], name
        BodySchema({**schema, "components": made["components"]})
    text = json.dumps(made)
    for name in schemas:
        assert f"#/components/schemas/{name}" in text, f"{name} is used nowhere"
    for path, methods in made["paths"].items():
        for one in methods.values():
            assert one["security"] == [] if path in PUBLIC_PATHS else "security" not in one
            assert one["summary"].endswith(".")


PUBLIC_PATHS = {"/healthz", "/readyz", "/openapi.json", "/oauth2/token"}
