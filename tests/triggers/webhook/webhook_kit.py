"""What the tests of webhooks share: a clock that stands still, a store in memory, and ways to send."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from hub.model.event import NewEvent, StoredEvent
from hub.model.executor import Executor, WebhookTrigger, WorkflowTarget
from hub.triggers.webhook.building import build
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.intake import Intake
from hub.triggers.webhook.presets import preset

NOW = 1_700_000_000_000
SECRET = "a-secret-of-enough-bytes-000000"
PUBLIC_URL = "https://hub.example.com"
GITHUB = {"preset": "github", "secret": SECRET}
OPEN = {"type": "none", "id": {"from": "header:X-Event-Id"}}


def secret_of(name: str) -> str:
    """A secret of the kind that a preset wants."""
    data = preset(name)
    if data["type"] == "basic":
        return f"user:{SECRET}"
    return {"hex": "ab" * 32, "base64": data.get("strip_prefix", "") + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}.get(
        data.get("secret_encoding", "utf8"), SECRET
    )


@dataclass
class FakeClock:
    ms: int = NOW
    seconds: float = 0.0

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class MemoryStore:
    """Keeps events as the real one does: the first of a (source, key) wins."""

    events: list[NewEvent] = field(default_factory=list)
    fail: Exception | None = None

    async def store_event(self, event: NewEvent, *, timeout: float) -> StoredEvent:  # noqa: ASYNC109 - the port's word
        assert 0 < timeout <= 1
        await asyncio.sleep(0)
        if self.fail is not None:
            raise self.fail
        for number, known in enumerate(self.events):
            if event.key is not None and (known.source, known.key) == (event.source, event.key):
                return StoredEvent(f"EVENT{number}", duplicate=True, conflict=known.body != event.body)
        self.events.append(event)
        return StoredEvent(f"EVENT{len(self.events) - 1}", duplicate=False)


def executor(verify: Mapping[str, Any] | None, name: str = "erp-push", **keys: Any) -> Executor:
    return Executor(name, WebhookTrigger(verify=verify, **keys), WorkflowTarget("order-processing", None))


def endpoint(verify: Mapping[str, Any] | None, name: str = "erp-push", **keys: Any) -> Endpoint:
    """An endpoint of an executor that must be right."""
    options = {key: keys.pop(key) for key in ("weak", "public_url", "documents", "compile_schema") if key in keys}
    made = build(executor(verify, name, **keys), lambda value: value, **{"public_url": PUBLIC_URL, **options})
    assert isinstance(made, Endpoint), made
    return made


def problems(verify: Mapping[str, Any] | None, **keys: Any) -> list[str]:
    """What is wrong with an executor, as messages."""
    made = build(executor(verify, **keys), lambda value: value)
    assert isinstance(made, list), made
    return [problem.message for problem in made]


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class Desk:
    """An intake with its store, and a sender."""

    def __init__(self, *endpoints: Endpoint, clock: FakeClock | None = None, **options: Any) -> None:
        self.store = MemoryStore()
        self.clock = clock or FakeClock()
        self.intake = Intake(
            self.store,
            self.clock,
            endpoints={one.name: one for one in endpoints},
            **{"documents": Documents(), **options},
        )

    def post(
        self,
        body: bytes = b"{}",
        headers: Mapping[str, str] | None = None,
        url: str = "/webhooks/erp-push",
        method: str = "POST",
    ) -> httpx.Response:
        """One request through httpx."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.intake)
            async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
                return await client.request(method, url, content=body, headers=headers)

        return asyncio.run(send())

    def raw(
        self,
        body: bytes | Sequence[bytes],
        headers: Sequence[tuple[bytes, bytes]],
        *,
        path: str = "/webhooks/erp-push",
        raw_path: str | None = None,
        query: bytes = b"",
        method: str = "POST",
        client: tuple[str, int] | None = ("192.0.2.7", 4711),
    ) -> Reply:
        """One request as a server hands it over, header by header and chunk by chunk."""
        chunks = [body] if isinstance(body, bytes) else list(body)
        messages = [
            {"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1}
            for number, chunk in enumerate(chunks)
        ]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": (raw_path or path).encode("latin-1"),
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in headers],
            "client": client,
        }
        return asyncio.run(call(self.intake, scope, messages))


async def call(app: Any, scope: dict[str, Any], messages: list[dict[str, Any]]) -> Reply:
    """One ASGI call; a receive beyond the last message waits for ever."""
    sent: list[dict[str, Any]] = []
    queue = list(messages)

    async def receive() -> dict[str, Any]:
        if not queue:
            await asyncio.Event().wait()
        return queue.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Reply(0, {}, b"")
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def signed(body: bytes, **more: str) -> dict[str, str]:
    """The headers of a push of GitHub's."""
    headers = {"content-type": "application/json", "x-github-event": "push", "x-github-delivery": "d-1"}
    headers["x-hub-signature-256"] = "sha256=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    return headers | {name.replace("_", "-"): value for name, value in more.items()}
