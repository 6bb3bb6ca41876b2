"""The token endpoint as clients of OAuth 2.0 use it, and misuse it; then the API with what it gives."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx
from api_site import ApiSite, opened
from kit import FakeClock

from hub.api.app import create_app, machine_routes
from hub.api.oauth import Tokens
from hub.api.openapi import document, statuses_of
from hub.api.readiness import Readiness
from hub.declare.body_schema import BodySchema
from hub.identity.throttle import Throttle
from hub.model.identity import local

FORM = "application/x-www-form-urlencoded"


class Door:
    """The machines' face of a hub, with its own tokens."""

    def __init__(self, hub: ApiSite) -> None:
        self.hub = hub
        self.client = hub.parts.client.acting_as(local("test"))
        self.tokens = Tokens(hub.parts.client)
        hub.parts.client._driver.gate.throttle = Throttle(FakeClock())
        app = create_app(
            _no_intake,
            machine_routes(
                hub.parts.client,
                self.tokens.verify,
                Readiness(hub.parts.store, list),
                further=[self.tokens.operation()],
            ),
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub")

    async def ask(self, form: Mapping[str, str] | bytes, **headers: str) -> httpx.Response:
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        return await self.http.post("/oauth2/token", content=body, headers={"content-type": FORM, **headers})

    async def secret(self, name: str = "bot") -> str:
        return (await self.client.new_secret(name)).secret


async def _no_intake(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("this is no webhook")


def tell(root: Path, story: Callable[[Door], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with opened(root) as hub:
            door = Door(hub)
            async with door.http:
                await story(door)

    asyncio.run(whole())


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def test_in_the_form_and_by_http_basic(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        secret = await door.secret()
        grant = {"grant_type": "client_credentials"}
        for answer in (
            await door.ask({**grant, "client_id": "bot", "client_secret": secret}),
            await door.ask({**grant, "client_id": "main-auth/bot", "client_secret": secret}),
            await door.ask(grant, authorization=basic("main-auth/bot", secret)),
            await door.ask({**grant, "client_id": "bot", "scope": ""}, authorization=basic("bot", secret)),
        ):
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"] == "application/json"
            given = answer.json()
            assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
            assert "scope" not in given
            asked = await door.http.get(
                "/api/v1/executors", headers={"authorization": f"Bearer {given['access_token']}"}
            )
            assert asked.status_code == 403, "bot may only start"

    tell(tmp_path, story)


def test_a_scope_narrows_what_the_token_is_good_for(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        secret = await door.secret("reader")
        form = {"grant_type": "client_credentials", "client_id": "reader", "client_secret": secret}
        given = (await door.ask({**form, "scope": "executor:read"})).json()
        assert given["scope"] == "executor:read"
        head = {"authorization": f"Bearer {given['access_token']}"}
        assert (await door.http.get("/api/v1/executors", headers=head)).status_code == 200
        assert (await door.http.get("/api/v1/executions", headers=head)).status_code == 403
        refused = await door.ask({**form, "scope": "executor:read admin"})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")

    tell(tmp_path, story)


#: (form, headers, status, error); SECRET stands for the right one.
MISUSES: list[tuple[Any, dict[str, str], int, str]] = [
        ({"grant_type": "client_credentials", "client_id": "bot", "client_secret": "wrong"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "none", "client_secret": "SECRET"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "bot"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"authorization": "Basic ===="}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"authorization": "Bearer SECRET"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"authorization": basic("bot", "wrong")}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"authorization": "Basic /////w=="}, 401, "invalid_client"),
        ({"grant_type": "password", "client_id": "bot", "client_secret": "SECRET"}, {}, 400, "unsupported_grant_type"),
        ({"client_id": "bot", "client_secret": "SECRET"}, {}, 400, "invalid_request"),
        (b"grant_type=client_credentials&grant_type=x&client_id=bot&client_secret=SECRET", {}, 400, "invalid_request"),
        (b"grant_type=client_credentials&client_id=bot&client_secret=%ff", {}, 400, "invalid_request"),
        (b"\xff\xfe", {}, 400, "invalid_request"),
        ("&".join(f"f{n}=1" for n in range(100)).encode(), {}, 400, "invalid_request"),
        (b'{"grant_type": "client_credentials"}', {"content-type": "application/json"}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_secret": "x"}, {"authorization": basic("bot", "SECRET")}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "x"}, {"authorization": basic("bot", "SECRET")}, 400, "invalid_request"),
    ]  # fmt: skip


def test_what_is_wrong_is_told_as_the_standard_says(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        secret = await door.secret()
        for form, headers, status, error in MISUSES:
            door.client._driver.gate.throttle = Throttle(FakeClock())
            if isinstance(form, dict):
                given: Any = {key: value.replace("SECRET", secret) for key, value in form.items()}
            else:
                given = form.replace(b"SECRET", secret.encode())
            answer = await door.ask(given, **headers)
            assert (answer.status_code, answer.json()["error"]) == (status, error), (form, headers)
            assert answer.headers["cache-control"] == "no-store"
            assert ("www-authenticate" in answer.headers) is (status == 401)
            assert secret not in answer.text

    tell(tmp_path, story)


def test_a_thousand_guesses_are_stopped_and_others_go_on(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        secret = await door.secret()
        form = {"grant_type": "client_credentials", "client_id": "bot", "client_secret": "hubmu_guess"}
        answers = [(await door.ask(form)).status_code for _ in range(200)]
        assert set(answers) == {401, 429}
        assert answers.count(401) <= 20
        refused = await door.ask({**form, "client_secret": secret})
        assert refused.status_code == 429, "the right one does not help meanwhile"
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"] == "temporarily_unavailable"
        other = await door.ask({**form, "client_id": "reader", "client_secret": await door.secret("reader")})
        assert other.status_code == 200

    tell(tmp_path, story)


def test_wrong_bearer_tokens_are_stopped_too(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        token = (await door.client.make_token("admin")).token
        good, wrong = {"authorization": f"Bearer {token}"}, {"authorization": f"Bearer {token[:-2]}xx"}
        assert (await door.http.get("/api/v1/executors", headers=good)).status_code == 200
        answers = [(await door.http.get("/api/v1/executors", headers=wrong)) for _ in range(150)]
        assert {one.status_code for one in answers} == {401, 429}
        assert answers[0].headers["www-authenticate"] == 'Bearer realm="hub", error="invalid_token"'
        assert (await door.http.get("/api/v1/executors", headers=good)).status_code == 429

    tell(tmp_path, story)


def test_a_revoked_secret_ends_its_tokens(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        secret = await door.secret("admin")
        form = {"grant_type": "client_credentials", "client_id": "admin", "client_secret": secret}
        head = {"authorization": f"Bearer {(await door.ask(form)).json()['access_token']}"}
        assert (await door.http.get("/api/v1/executors", headers=head)).status_code == 200
        await door.client.revoke_secret("admin", None)
        assert (await door.http.get("/api/v1/executors", headers=head)).status_code == 401
        assert (await door.ask(form)).status_code == 401

    tell(tmp_path, story)


def test_unusable_keys_tell_a_stranger_nothing(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        secret = await door.secret()
        form = {"grant_type": "client_credentials", "client_id": "bot", "client_secret": secret}
        await door.ask(form)
        (door.hub.parts.files.root / "var/token.keys").chmod(0o644)
        for answer in (
            await door.ask(form),
            await door.http.get("/api/v1/executors", headers={"authorization": "Bearer a.b.c"}),
        ):
            assert answer.status_code == 503
            assert "token.keys" not in answer.text

    tell(tmp_path, story)


def test_it_stands_in_the_document_as_it_is(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        operation = door.tokens.operation()
        described = document([operation], "http://hub")["paths"]["/oauth2/token"]["post"]
        assert set(statuses_of(operation)) == {400, 401, 413, 429, 503}
        assert list(described["requestBody"]["content"]) == [FORM]
        secret = await door.secret()
        form = {"grant_type": "client_credentials", "client_id": "bot", "client_secret": secret}
        for answer in (
            await door.ask(form),
            await door.ask({**form, "client_secret": "x"}),
            await door.ask({**form, "grant_type": "x"}),
        ):
            content = described["responses"][str(answer.status_code)]["content"]
            schema = content[answer.headers["content-type"]]["schema"]
            assert not list(BodySchema(schema).problems(answer.json()))
        assert (await door.ask(b"x" * 2_000_000)).status_code == 413
        got = await door.http.get("/oauth2/token")
        assert (got.status_code, got.headers["allow"]) == (405, "POST")

    tell(tmp_path, story)
