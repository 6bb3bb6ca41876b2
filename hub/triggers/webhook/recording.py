"""A delivery as the event that is stored, and the answer that says so."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hub.model.event import NewEvent, StoredEvent, delivery_id
from hub.triggers.webhook.answer import JSON, Answer
from hub.triggers.webhook.body import Body
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.identify import event_name
from hub.triggers.webhook.redact import stored_headers, stored_query
from hub.triggers.webhook.request import RawRequest, Verdict

_LONGEST_TYPE = 200


def make_event(endpoint: Endpoint, request: RawRequest, body: Body, now: int, verdict: Verdict) -> NewEvent:
    """The event of a delivery whose sender is known.

    `payload` holds `body` only where that is not what a JSON reader makes of the raw bytes (forms, texts, empty bodies).
    """
    payload: dict[str, Any] = {
        "proof": _proof(endpoint, verdict),
        "method": request.method,
        "query": stored_query(request.url.partition("?")[2], endpoint.secret_parameters),
        "headers": stored_headers(request, endpoint.secret_headers),
    }
    if not body.is_json:
        payload["body"] = body.value
    name = event_name(endpoint.scheme, request, body.value)
    return NewEvent(
        source=f"webhook:{endpoint.name}",
        key=endpoint.key(request, body.value),
        type=name if name is not None and len(name) <= _LONGEST_TYPE and name.isprintable() else "webhook",
        time=now,
        payload=payload,
        body=request.body,
        executors=endpoint.executors,
        body_key=endpoint.body_key(request),
        window=endpoint.window,
    )


def _proof(endpoint: Endpoint, verdict: Verdict) -> dict[str, Any]:
    """What people are told of the proof later; the credential itself is not kept.

    `by` names the scheme, `secret` counts the file's secrets from 0, `at` is the sender's clock in milliseconds since 1970 UTC.
    """
    proof: dict[str, Any] = {"by": endpoint.scheme.name}
    if verdict.secret_index is not None:
        proof["secret"] = verdict.secret_index
    if verdict.timestamp is not None:
        proof["at"] = verdict.timestamp
    return proof


def accepted(endpoint: Endpoint, stored: StoredEvent) -> Answer:
    """The answer for a stored delivery; a repeated one gets the very same."""
    response = endpoint.response
    if response.body is not None:
        return Answer(response.status, response.body, response.content_type, response.headers)
    text = _receipt(endpoint.executors).replace("*", stored.id)
    return Answer(202 if response.result else response.status, text.encode(), JSON, response.headers)


@lru_cache(maxsize=1024)
def _receipt(executors: tuple[str, ...]) -> str:
    """What a sender is told of an event whose id is `*`. Names are made of letters, digits and hyphens: nothing to escape."""
    deliveries = ",".join([f'{{"executor":"{name}","id":"{delivery_id("*", name)}"}}' for name in executors])
    return f'{{"event_id":"*","deliveries":[{deliveries}]}}'
