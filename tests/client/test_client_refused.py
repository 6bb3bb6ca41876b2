"""Deliveries that were turned away, let in by several at the same time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from client_parts import tell

from hub.assembly.examining import project_seal
from hub.assembly.parts import Parts
from hub.model.errors import NotFound
from hub.model.event import StoredEvent
from hub.store.refused import RefusedDelivery
from hub.triggers.webhook.request import RawRequest


async def turned_away(parts: Parts, body: bytes) -> int:
    """Its number. It would be taken now."""
    request = RawRequest("POST", "/webhooks/hook", [(b"content-type", b"application/json")], body)
    sealed, now = project_seal(parts.files.root).close(request), parts.clock.now()
    kept = RefusedDelivery("hook", now, "POST", request.url, {}, body, len(body), "proof", "it was wrong", sealed)
    parts.store.keep_refused(kept)
    await parts.store.flush()
    return (await parts.store.refused())[0].id


def test_one_that_is_let_in_twice_at_once_is_one_event_and_the_next_one_another(project: Path) -> None:
    async def story(parts: Parts) -> None:
        for body in (b'{"n": 1}', b'{"n": 2}'):
            number = await turned_away(parts, body)
            made = await asyncio.gather(*[parts.client.release(number) for _ in range(6)], return_exceptions=True)
            stored = [one for one in made if isinstance(one, StoredEvent)]
            assert {type(one) for one in made} <= {StoredEvent, NotFound}
            assert len({one.id for one in stored}) == 1
            assert [one.duplicate for one in stored].count(False) == 1
        assert len((await parts.client.events_page()).items) == 2, "numbers are given again"

    tell(project, story)
