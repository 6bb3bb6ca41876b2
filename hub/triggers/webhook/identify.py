"""Which delivery is this, and what happened? Read from a request whose sender is known."""

from __future__ import annotations

from hub.triggers.webhook.adyen import batch_id
from hub.triggers.webhook.request import RawRequest, at, text_of
from hub.triggers.webhook.scheme import Scheme, Source
from hub.triggers.webhook.verify import pick_family


def delivery_id(scheme: Scheme, request: RawRequest, value: object) -> str | None:
    """The sender's id of this delivery, or None. `value` is the parsed body."""
    for source in pick_family(scheme, request).id:
        found = _text_at(source, request, value)
        if found:
            return found
    return None


def event_name(scheme: Scheme, request: RawRequest, value: object) -> str | None:
    """The sender's name for what happened ("pull_request.opened"), or None."""
    for source in pick_family(scheme, request).event:
        found = _text_at(source, request, value)
        if found:
            then = None if scheme.event_suffix is None else _text_at(scheme.event_suffix, request, value)
            return f"{found}.{then}" if then else found
    return None


def _text_at(source: Source, request: RawRequest, value: object) -> str | None:
    if source.kind == "header":
        found = request.values(source.name)
        return found[0].decode("latin-1") if found else None
    if source.kind == "special":
        return batch_id(value)
    if source.kind == "json":
        text = text_of(at(value, source.path))
        return None if text is None else text.decode()
    return None
