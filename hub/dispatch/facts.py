"""What expressions see of an event: `args` and `context`, as the public surface names them."""

from __future__ import annotations

import json
from typing import Any

from hub.model.clock import iso
from hub.model.event import Event


def args_of(event: Event) -> dict[str, Any]:
    """`args`, by the kind of trigger that noticed the event."""
    payload = event.payload
    if event.type.startswith("record."):
        return {
            "event": payload["event"],
            "rawEvent": event.type,
            "namespace": event.namespace,
            "model": event.model,
            "typeName": event.model,
            "newRecord": payload.get("new"),
            "oldRecord": payload.get("old"),
            "changed": payload.get("changed") or [],
            "actor": payload.get("actor"),
        }
    if event.body is not None or "method" in payload:
        raw = b"" if event.body is None else event.body
        return {
            "body": body_of(event),
            "rawBody": raw.decode(errors="replace"),
            "headers": payload.get("headers") or {},
            "method": payload.get("method", "POST"),
            "query": payload.get("query") or {},
        }
    return {key: payload.get(key) for key in ("scheduledTime", "previousTime", "nextTime")}


def context_of(event: Event) -> dict[str, Any]:
    """`context`: the event whatever its kind."""
    if event.type.startswith("record."):
        data = event.payload.get("new") or event.payload.get("old")
    elif event.body is not None or "method" in event.payload:
        data = body_of(event)
    else:
        data = {"scheduledTime": event.payload.get("scheduledTime")}
    return {
        "event": {
            "id": event.id,
            "type": event.type,
            "namespace": event.namespace,
            "model": event.model,
            "time": iso(event.time),
            "data": data,
            "old": event.payload.get("old") if event.type.startswith("record.") else None,
        }
    }


def body_of(event: Event) -> Any:
    """The parsed body of a webhook. The intake stores it where it is not simply the JSON of the raw bytes."""
    if "body" in event.payload:
        return event.payload["body"]
    return json.loads(event.body) if event.body else None
