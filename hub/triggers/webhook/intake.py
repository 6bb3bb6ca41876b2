"""The door for incoming webhooks, as a bare ASGI application: gate, length, body, proof, handshake, key, store, answer.

Nothing runs before the event is stored, and nothing is answered with 2xx unless it is. The table of endpoints is in memory, and
a request touches the database once, at its end.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.model.clock import Clock
from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent, StoredEvent
from hub.triggers.webhook.answer import Answer, problem, retry_later
from hub.triggers.webhook.deciding import Decided, Deciding, Lacking, Unjudged
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.endpoint import Endpoint, Network, Undecided
from hub.triggers.webhook.gate import Gate, Gates
from hub.triggers.webhook.head import check_head, received_url, route, unread
from hub.triggers.webhook.peer import may_send, peer_address
from hub.triggers.webhook.receiving import Budget, Gone, Pace, TurnedAway, read_body_bytes
from hub.triggers.webhook.recording import accepted
from hub.triggers.webhook.refusals import Refusals
from hub.triggers.webhook.request import RawRequest, Verdict
from hub.triggers.webhook.subscribing import Subscription, subscribe

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class EventStore(Protocol):
    """What the intake needs of the store."""

    async def store_event(self, event: NewEvent, *, timeout: float) -> StoredEvent:  # noqa: ASYNC109 - the store's writer gives up by itself
        """Make the event durable within `timeout` seconds, or raise StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of the whole intake. Seconds and bytes."""

    #: A refusal is due within a second, and the writer may be in the middle of a try of 0.15 s.
    store_timeout: float = 0.8
    pace: Pace = field(default_factory=Pace)
    #: Unfinished bodies of all senders together.
    unfinished: int = 67_108_864
    #: Requests of all sources at the same time.
    concurrency: int = 2_048
    #: Proxies whose X-Forwarded-For is believed.
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(slots=True)
class Admitted:
    """A request that was let in, on its way to an answer."""

    endpoint: Endpoint
    gate: Gate
    request: RawRequest
    content_type: str | None = None


#: Seconds that a sender waits until it is found out; many hang up after ten.
_JUDGING = 6.0


class Intake:
    """Takes POST /webhooks/{executor} and /webhooks/{executor}/{token}.

    `endpoints` and `broken` (names whose file cannot be read right now) are replaced as a whole at reload.
    """

    def __init__(
        self,
        store: EventStore,
        clock: Clock,
        *,
        endpoints: Mapping[str, Endpoint] | None = None,
        tokens: Callable[[str], bytes | None] = lambda _name: None,
        documents: Documents | None = None,
        settings: Settings = Settings(),
        respond: Callable[[Endpoint, StoredEvent], Awaitable[Answer | None]] | None = None,
        confirm: Callable[[str], Awaitable[None]] | None = None,
        on_refused: Callable[[str, Verdict, RawRequest], None] | None = None,
        on_first_token: Callable[[str, str], None] | None = None,
    ) -> None:
        """`tokens` gives the URL token of an executor; `confirm` fetches an SNS subscription's address, safely.

        `on_refused(executor, verdict, request)` keeps deliveries that were refused; `on_first_token(executor, token)` shows
        Notion's key to the operator. Neither may block.
        """
        self.endpoints: Mapping[str, Endpoint] = endpoints or {}
        self.broken: Collection[str] = ()
        self.respond = respond
        self._store = store
        self._clock = clock
        self._tokens = tokens
        self._documents = documents or Documents()
        self._settings = settings
        self._confirm = confirm
        self.gates = Gates(clock, settings.concurrency)
        self._budget = Budget(settings.unfinished)
        self._refusals = Refusals(clock, on_refused)
        self._deciding = Deciding(clock, self._documents, self._refusals, on_first_token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except Gone:
            return
        except TurnedAway as away:
            answer = away.answer
        except Exception as error:  # noqa: BLE001 - it is told by `sorry`
            answer = self.sorry(error)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers()})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        admitted = self.admit(scope)
        if isinstance(admitted, Answer):
            return admitted
        try:
            most = admitted.endpoint.max_body
            body = await read_body_bytes(receive, most, self._settings.pace, self._budget)
            return await self.settle(admitted, self.decide(admitted, body))
        finally:
            self.leave(admitted)

    def sorry(self, error: Exception) -> Answer:
        """Whatever went wrong is ours: the sender is asked to come again, and is never told."""
        log.error("a webhook could not be taken", exc_info=error)
        return retry_later(503, 5)

    def admit(self, scope: Scope) -> Admitted | Answer:
        """A request whose body may be read now, to be followed by `leave`; or the answer that turns it away."""
        name, token = route(scope["path"])
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            if name in self.broken:
                return retry_later(503, 5, "the executor's file cannot be read")
            return unread(scope, problem(404))
        if (token is not None or endpoint.verifier is None) and not self._token_holds(endpoint, token):
            return unread(scope, problem(404))
        if scope["method"] not in endpoint.methods and scope["method"] not in endpoint.handshake_methods:
            return unread(scope, problem(405, (b"allow", endpoint.allow)))
        gate = self.gates.enter(endpoint)
        if isinstance(gate, Answer):
            return unread(scope, gate)
        admitted = Admitted(endpoint, gate, RawRequest(scope["method"], received_url(scope), scope["headers"], b""))
        away = self._look_at_head(admitted, scope)
        if away is not None:
            self._refusals.note(endpoint, Verdict(ok=False, step="head", reason=away.reason), admitted.request)
            self.leave(admitted)
            return unread(scope, away)
        return admitted

    def _look_at_head(self, admitted: Admitted, scope: Scope) -> Answer | None:
        networks = admitted.endpoint.networks
        if networks and not may_send(peer_address(scope, self._settings.trusted_proxies), networks):
            return problem(403, reason="the sender's address is not in limits.networks")
        admitted.content_type, away = check_head(admitted.endpoint, admitted.request)
        return away

    def leave(self, admitted: Admitted) -> None:
        """The request is answered."""
        self.gates.leave(admitted.gate)

    def decide(self, admitted: Admitted, body: bytes) -> Decided:
        """What becomes of a request whose body is there. Nothing is waited for."""
        endpoint, request = admitted.endpoint, admitted.request
        request.body = body
        if len(body) > endpoint.max_body:
            return problem(413, (b"connection", b"close"))
        return self._deciding.decide(endpoint, request, admitted.content_type)

    async def _judge(self, admitted: Admitted, unjudged: Unjudged) -> Answer | NewEvent:
        try:
            async with asyncio.timeout(_JUDGING):
                wrong = await unjudged.judge()
        except (TimeoutError, Undecided):
            return retry_later(503, 5, "the body could not be held against the schema in time")
        return unjudged.event if wrong is None else self._deciding.misshapen(admitted.endpoint, admitted.request, wrong)

    async def settle(self, admitted: Admitted, decided: Decided) -> Answer:
        """The answer, after everything that has to be waited for."""
        endpoint = admitted.endpoint
        if isinstance(decided, Lacking):
            await self._documents.load(decided.wanted, self._clock.now())
            decided = self.decide(admitted, admitted.request.body)
            if isinstance(decided, Lacking):
                return retry_later(503, 60)
        if isinstance(decided, Subscription):
            return await subscribe(endpoint, decided, self._confirm)
        if isinstance(decided, Unjudged):
            decided = await self._judge(admitted, decided)
        if isinstance(decided, Answer):
            return decided
        try:
            stored = await self._store.store_event(decided, timeout=self._settings.store_timeout)
        except StoreUnavailable:
            return self.not_stored()
        if endpoint.response.deferred and self.respond is not None and not self._in_conflict(endpoint, stored):
            answer = await self._respond(endpoint, stored)
            if answer is not None:
                return answer
        return self.stored(endpoint, stored)

    def stored(self, endpoint: Endpoint, stored: StoredEvent) -> Answer:
        """The plain answer to an event that is durable."""
        return problem(409) if self._in_conflict(endpoint, stored) else accepted(endpoint, stored)

    @staticmethod
    def not_stored() -> Answer:
        return retry_later(503, 2, "the store could not make it durable in time")

    @staticmethod
    def _in_conflict(endpoint: Endpoint, stored: StoredEvent) -> bool:
        return stored.conflict and endpoint.conflict == "refuse"

    async def _respond(self, endpoint: Endpoint, stored: StoredEvent) -> Answer | None:
        """What expressions or the result say, when they say it in time. The event is stored: nothing here may refuse it."""
        assert self.respond is not None
        try:
            async with asyncio.timeout(endpoint.response.deadline):
                return await self.respond(endpoint, stored)
        except Exception:  # noqa: BLE001 - a sender must not send again what is stored
            log.warning(
                "webhook %s: no answer could be made for event %s in time",
                endpoint.name,
                stored.id,
                extra={"event_id": stored.id},
            )
            return None

    def _token_holds(self, endpoint: Endpoint, token: str | None) -> bool:
        """Whether the URL's token is right, or not needed. A wrong one looks like an unknown executor."""
        if token is None:
            return endpoint.verifier is not None
        known = self._tokens(endpoint.name)
        wanted = hashlib.sha256(known or b"").digest()
        given = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        return hmac.compare_digest(wanted, given) and bool(known)
