"""Which delivery is this, and what happened? Read from a request whose sender is known."""

from __future__ import annotations

from hub.triggers.webhook.adyen import batch_id
from hub.triggers.webhook.request import Path, RawRequest, at, text_of
from hub.triggers.webhook.scheme import Scheme, Source
from hub.triggers.webhook.verify import pick_family

#: In a path: every item of the list that stands there.
_EVERY = "*"


def delivery_id(scheme: Scheme, request: RawRequest, value: object) -> str | None:
    """The sender's id of this delivery, or None. `value` is the parsed body. Raises Refusal for doubled parameters."""
    sources = pick_family(scheme, request).id
    if scheme.id_joined:
        texts = [_text_at(source, request, value) for source in sources]
        return " ".join(text for text in texts if text) if texts and all(texts) else None
    for source in sources:
        found = _text_at(source, request, value)
        if found:
            return found
    return None


def event_name(scheme: Scheme, request: RawRequest, value: object) -> str | None:
    """The sender's name for what happened ("pull_request.opened"), or None. Raises Refusal for doubled parameters."""
    for source in pick_family(scheme, request).event:
        found = _text_at(source, request, value)
        if found:
            then = None if scheme.event_suffix is None else _text_at(scheme.event_suffix, request, value)
            return f"{found}.{then}" if then else found
    return None


def _text_at(source: Source, request: RawRequest, value: object) -> str | None:
    if source.kind == "header":
        found = request.index.get(source.name)
        return None if found is None else found.decode("latin-1")
    if source.kind == "query":
        return request.query(source.name.decode())
    if source.kind == "special":
        return batch_id(value)
    if source.kind != "json":
        return None
    if _EVERY not in source.path:
        text = text_of(at(value, source.path))
        return None if text is None else text.decode()
    texts = [text_of(found) for found in _every(value, source.path)]
    return b",".join(text for text in texts if text is not None).decode() if None not in texts else None


def _every(value: object, path: Path) -> list[object]:
    """The values at `path`, in their order: one, or as many as the list has in whose place it holds `*`."""
    if _EVERY not in path:
        return [at(value, path)]
    place = path.index(_EVERY)
    items = at(value, path[:place])
    return [found for item in items for found in _every(item, path[place + 1 :])] if isinstance(items, list) else [None]
