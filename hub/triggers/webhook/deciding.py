"""What becomes of a webhook whose body is there: proof, handshake, body, key, shape. Nothing is waited for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from hub.model.clock import Clock
from hub.model.event import NewEvent
from hub.triggers.webhook.answer import Answer, problem, retry_later
from hub.triggers.webhook.body import JSON_TYPE, BadBody, read_body
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.endpoint import Endpoint, Later
from hub.triggers.webhook.handshake import first_token, proven, unproven
from hub.triggers.webhook.recording import make_event
from hub.triggers.webhook.refusals import Refusals
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict, Wanted
from hub.triggers.webhook.subscribing import Subscription, subscription
from hub.triggers.webhook.verify import Verifier

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lacking:
    """A certificate or key has to be fetched before a request can be judged."""

    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Holding a body against its schema takes longer than others may wait."""

    event: NewEvent
    judge: Later


#: An answer at once, an event to be stored, or something that has to be fetched or found out first.
Decided = Answer | NewEvent | Lacking | Subscription | Unjudged

_PROVEN = Verdict(ok=True)


class Deciding:
    """Decides by what is known, and remembers what it has told."""

    def __init__(
        self,
        clock: Clock,
        documents: Documents,
        refusals: Refusals,
        on_first_token: Callable[[str, str], None] | None = None,
    ) -> None:
        """`on_first_token` as in `Intake`."""
        self._clock = clock
        self._documents = documents
        self._refusals = refusals
        self._on_first_token = on_first_token
        #: Of which verifier it was said that a secret behind its first one is still used. A reload makes others.
        self._old_secrets: dict[tuple[str, int], Verifier] = {}

    def decide(self, endpoint: Endpoint, request: RawRequest, content_type: str | None) -> Decided:
        """`request` holds its body."""
        try:
            return self._decide(endpoint, request, content_type)
        except Refusal as refusal:
            verdict = Verdict(ok=False, step=refusal.step, reason=refusal.reason)
            return self._refusals.answer(endpoint, verdict, request)

    def _decide(self, endpoint: Endpoint, request: RawRequest, content_type: str | None) -> Decided:
        scheme = endpoint.scheme
        if scheme.handshake != "none":
            keys = () if endpoint.verifier is None else endpoint.verifier.keys
            answer = unproven(scheme, keys, request)
            if answer is not None:
                if answer.reason:
                    log.warning("webhook %s: handshake refused: %s", endpoint.name, answer.reason)
                return answer
        if request.method not in endpoint.methods:
            return problem(405, (b"allow", endpoint.allow))
        now = self._clock.now()
        verdict = _PROVEN if endpoint.verifier is None else endpoint.verifier.verify(request, now)
        if not verdict.ok:
            return self._unverified(endpoint, verdict, request, now)
        if verdict.secret_index:
            self._tell_of_old_secret(endpoint, verdict.secret_index)
        return self._read(endpoint, verdict, request, content_type, now)

    def _tell_of_old_secret(self, endpoint: Endpoint, index: int) -> None:
        assert endpoint.verifier is not None
        if self._old_secrets.get((endpoint.name, index)) is not endpoint.verifier:
            self._old_secrets[endpoint.name, index] = endpoint.verifier
            log.warning("webhook %s: the sender still uses secret number %d of the list", endpoint.name, index + 1)

    def _unverified(self, endpoint: Endpoint, verdict: Verdict, request: RawRequest, now: int) -> Decided:
        if verdict.needs is not None:
            if self._documents.may_come(verdict.needs, now):
                return Lacking(verdict.needs)
            if self._documents.get(verdict.needs, now) is None:
                return retry_later(503, 60, verdict.reason)
        return self._first_token(endpoint, request) or self._refusals.answer(endpoint, verdict, request)

    def _read(
        self, endpoint: Endpoint, verdict: Verdict, request: RawRequest, content_type: str | None, now: int
    ) -> Decided:
        """What becomes of a request whose sender is known."""
        scheme = endpoint.scheme
        try:
            # SNS sends JSON as text/plain.
            body = read_body(JSON_TYPE if scheme.type == "sns" else content_type, request.body)
        except BadBody as error:
            self._refusals.note(
                endpoint, Verdict(ok=False, step="body", reason=f"the body cannot be read: {error}"), request
            )
            return problem(400, detail=f"The body cannot be read: {error}.")
        if scheme.handshake != "none":
            keys = () if endpoint.verifier is None else endpoint.verifier.keys
            if scheme.handshake == "sns":
                special = subscription(body.value)
            else:
                special = proven(scheme, keys, verdict.secret_index, request, body.value)
            if special is not None:
                return special
        event = make_event(endpoint, request, body, now, verdict)
        validate = endpoint.shape_of(event.type)
        wrong = None if validate is None else validate(body.value)
        if callable(wrong):
            return Unjudged(event, wrong)
        return event if wrong is None else self.misshapen(endpoint, request, wrong)

    def misshapen(self, endpoint: Endpoint, request: RawRequest, wrong: str) -> Answer:
        """The answer to a body that does not have the shape that is asked for."""
        self._refusals.note(endpoint, Verdict(ok=False, step="schema", reason=wrong), request)
        return problem(422, detail=wrong)

    def _first_token(self, endpoint: Endpoint, request: RawRequest) -> Answer | None:
        """Notion's first call, while no secret is set: its key goes to the operator, and nothing else happens."""
        if endpoint.verifier is None or endpoint.verifier.keys or self._on_first_token is None:
            return None
        token = first_token(endpoint.scheme, request)
        if token is None:
            return None
        self._on_first_token(endpoint.name, token)
        return Answer(200)
