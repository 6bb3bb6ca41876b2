"""A request held against an endpoint step by step, for the person who asks why it was refused; and taken after all."""

from __future__ import annotations

from dataclasses import dataclass

from hub.model.counted import counted
from hub.model.event import NewEvent
from hub.triggers.webhook.body import JSON_TYPE, BadBody, read_body
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.endpoint import Endpoint, Undecided
from hub.triggers.webhook.head import check_head
from hub.triggers.webhook.recording import make_event
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that has to hold."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Examined:
    """Every step up to the first that fails, and the event that it makes when none does."""

    steps: tuple[Step, ...]
    event: NewEvent | None = None

    @property
    def ok(self) -> bool:
        return self.event is not None


async def examine(endpoint: Endpoint, request: RawRequest, at: int, documents: Documents) -> Examined:
    """Hold a request against an endpoint as if it came at `at` (milliseconds since 1970 UTC)."""
    steps: list[Step] = []

    def failed(name: str, detail: str) -> Examined:
        return Examined((*steps, Step(name, ok=False, detail=detail)))

    if request.method not in endpoint.methods:
        return failed("method", f"{request.method} is not taken here")
    kind, away = check_head(endpoint, request)
    if away is not None:
        return failed("head", f"it is answered {away.status} before its body is read: {away.reason}")
    steps.append(Step("head", ok=True, detail="method, length and content type are taken"))
    verdict = await verified(endpoint, request, at, documents)
    if not verdict.ok:
        return failed(verdict.step, verdict.reason)
    steps.append(Step("proof", ok=True, detail=_proof(endpoint, verdict)))
    try:
        body = read_body(JSON_TYPE if endpoint.scheme.type == "sns" else kind, request.body)
    except BadBody as error:
        return failed("body", f"the body cannot be read: {error}")
    size = counted(len(request.body), "byte that can be read", "bytes that can be read")
    steps.append(Step("body", ok=True, detail=size))
    try:
        event = make_event(endpoint, request, body, at, verdict)
    except Refusal as refusal:
        return failed(refusal.step, refusal.reason)
    validate = endpoint.shape_of(event.type)
    if validate is not None:
        try:
            wrong = await later() if callable(later := validate(body.value)) else later
        except Undecided:
            return failed("schema", "the body could not be held against the schema in time: try again in a moment")
        if wrong is not None:
            return failed("schema", wrong)
        steps.append(Step("schema", ok=True, detail="the body has the shape that is asked for"))
    return Examined(tuple(steps), event)


async def verified(endpoint: Endpoint, request: RawRequest, now: int, documents: Documents) -> Verdict:
    """The verdict; `needs` is set only when a certificate or key could not be fetched."""
    if endpoint.verifier is None:
        return Verdict(ok=True)
    verdict = endpoint.verifier.verify(request, now)
    if verdict.needs is not None and await documents.load(verdict.needs, now):
        # What the sender's server gave is all there is: a key that it does not list is refused for good.
        return endpoint.verifier.verify(request, now)._replace(needs=None)
    return verdict


def _proof(endpoint: Endpoint, verdict: Verdict) -> str:
    if endpoint.verifier is None:
        return "the address's token is the proof"
    if verdict.secret_index is None:
        return "the credential holds"
    return f"it holds, with secret number {verdict.secret_index + 1} of the file"
