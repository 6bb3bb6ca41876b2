"""The same signed bytes, cut into a request at other places: what stood in one field cannot be moved into the next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sender_table import SENDERS, URL, Sender
from webhook_kit import NOW, PUBLIC_URL, Desk, endpoint

#: Those that sign more than the body, each once.
SEAMED = sorted({one.preset: one for one in SENDERS if one.signs != "{body}"}.items())
#: What these senders send: objects and lists. Of a bare number a part would be one, too.
CONTAINERS = st.sampled_from([b'{"id":"x"}', b"[]", b'[{"a":1},{"b":2}]', b"{}"])
BODIES = CONTAINERS | st.sampled_from(
    [b"1700000000", b"1700000000.1", b"2023-11-14T22:13:20Z{}", b"0", b"msg_1", b'"a"', b".1.{}", b":1:{}"]
)
IDS = st.sampled_from(["msg_1", "msg_1.1700000000", "1", "17", "a.", "2", "msg_12023-11-14"])
QUERIES = st.sampled_from(["", "?x=1", '?x=[{"a":1}]', "?x=[", "?1700000000"])
#: What is signed, as fields in their order: text that is fixed, and names of what can be moved about.
FORMS = {
    "{id}.{t}.{body}": ["id", ".", "t", ".", "body"],
    "{id}{t}{body}": ["id", "t", "body"],
    "{t}.{body}": ["t", ".", "body"],
    "{t}:{body}": ["t", ":", "body"],
    "{t}|{body}": ["t", "|", "body"],
    "{t}{body}": ["t", "body"],
    "v0:{t}:{body}": ["v0:", "t", ":", "body"],
    "{url}{body}": ["url", "body"],
    "{method}{url}{body}{t}": ["POST", "url", "body", "t"],
}


def fields_of(sender: Sender, body: bytes, identity: str, query: str) -> dict[str, bytes]:
    known = {"id": identity.encode(), "t": sender.stamp(NOW).encode(), "url": (URL + query).encode(), "body": body}
    return {name: known[name] for name in FORMS[sender.signs] if name in known}


def joined(sender: Sender, fields: dict[str, bytes]) -> bytes:
    return b"".join(fields.get(piece, piece.encode()) for piece in FORMS[sender.signs])


@st.composite
def cuts(draw: st.DrawFn, sender: Sender, fields: dict[str, bytes]) -> dict[str, bytes] | None:
    """Other fields that come to the same bytes; None where the fixed text between them leaves no other way."""
    names = list(fields)
    left = draw(st.integers(0, len(names) - 2))
    one, other = names[left], names[left + 1]
    form = FORMS[sender.signs]
    between = "".join(form[form.index(one) + 1 : form.index(other)]).encode()
    whole = fields[one] + between + fields[other]
    places = [at for at in range(len(whole) - len(between) + 1) if whole[at : at + len(between)] == between]
    at = draw(st.sampled_from(places))
    moved = {**fields, one: whole[:at], other: whole[at + len(between) :]}
    return None if moved == fields else moved


def sent(desk: Desk, sender: Sender, fields: dict[str, bytes], signature: bytes) -> int:
    stamp = fields.get("t", b"")
    written = sender.write(signature, stamp.decode("latin-1"))
    headers = [(b"content-type", b"application/json"), (sender.header.encode(), written.encode("latin-1"))]
    if sender.clock not in ("", "signature", "body"):
        headers.append((sender.clock.encode(), stamp))
    if sender.id:
        headers.append((sender.id.encode(), fields["id"]))
    path, _, query = fields.get("url", URL.encode()).removeprefix(PUBLIC_URL.encode()).partition(b"?")
    return desk.raw(fields["body"], headers, path=path.decode("latin-1"), query=query).status


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SEAMED), IDS, QUERIES, st.data())
def test_bytes_that_are_signed_cannot_be_moved_into_the_next_field(
    named: tuple[str, Sender], identity: str, query: str, data: Any
) -> None:
    preset, sender = named
    body = data.draw(CONTAINERS if "{url}{body}" in sender.signs else BODIES)
    desk = Desk(endpoint({"preset": preset, "secret": sender.secret}))
    fields = fields_of(sender, body, identity, query)
    signature = sender.make(joined(sender, fields))
    moved = data.draw(cuts(sender, fields))
    if moved is not None:
        assert joined(sender, moved) == joined(sender, fields)
        assert sent(desk, sender, moved, signature) in (400, 401, 404)
        assert desk.store.events == []
    assert sent(desk, sender, fields, signature) in (200, 202, 204, 400)


@pytest.mark.parametrize("preset", ["square", "hubspot"])
def test_a_body_behind_the_address_is_not_a_second_delivery_without_one(preset: str) -> None:
    sender = dict(SEAMED)[preset]
    desk = Desk(endpoint({"preset": preset, "secret": sender.secret}))
    fields = fields_of(sender, b'[{"a":1}]', "", "?x=")
    signature = sender.make(joined(sender, fields))
    assert sent(desk, sender, fields, signature) == 202
    moved = {**fields, "url": fields["url"] + fields["body"], "body": b""}
    assert joined(sender, moved) == joined(sender, fields)
    assert (sent(desk, sender, moved, signature), len(desk.store.events)) == (401, 1)


def test_no_sender_s_form_is_left_out() -> None:
    assert {sender.signs for _, sender in SEAMED} == set(FORMS)
