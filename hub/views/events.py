"""What was noticed, what became of it, and what was turned away."""

from __future__ import annotations

import json
from typing import Any

from hub.model.clock import iso
from hub.model.event import Delivery, Event
from hub.store.refused import RefusedDelivery
from hub.triggers.webhook.examine import Examined


def event_view(event: Event, deliveries: list[Delivery]) -> dict[str, Any]:
    """An event with what became of it."""
    shown = {key: value for key, value in event.payload.items() if key not in ("body", "proof")}
    body = event.payload.get("body") if "body" in event.payload else _body(event.body)
    return {
        "id": event.id,
        "source": event.source,
        "key": event.key,
        "type": event.type,
        "namespace": event.namespace,
        "model": event.model,
        "time": iso(event.time),
        "received_at": iso(event.received_at),
        "payload": shown if body is None else {**shown, "body": body},
        "deliveries": [delivery_view(delivery) for delivery in deliveries],
    }


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "executor": delivery.executor,
        "outcome": delivery.outcome.value,
        "reason": delivery.reason,
        "execution_id": delivery.execution_id,
        "evaluation": delivery.evaluation,
        "created_at": iso(delivery.created_at),
    }


def refused_view(one: RefusedDelivery) -> dict[str, Any]:
    """A delivery that was turned away; its credentials are redacted."""
    return {
        "id": one.id,
        "executor": one.executor,
        "received_at": iso(one.received_at),
        "step": one.step,
        "reason": one.reason,
        "method": one.method,
        "url": one.url,
        "headers": one.headers,
        "body": one.body.decode("utf-8", "replace"),
        "size": one.size,
        "whole": one.whole,
    }


def examined_view(one: RefusedDelivery, examined: Examined) -> dict[str, Any]:
    """Whether a delivery that was turned away holds now, and each step up to the one that does not."""
    return {
        "id": one.id,
        "executor": one.executor,
        "ok": examined.ok,
        "steps": [{"step": step.name, "ok": step.ok, "detail": step.detail} for step in examined.steps],
    }


def _body(raw: bytes | None) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
