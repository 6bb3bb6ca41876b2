"""Every sender that signs, against every way in which a delivery can be almost right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping

import pytest
from sender_table import SENDERS, Sender
from webhook_kit import NOW, Desk, endpoint

from hub.triggers.webhook.presets import preset, preset_names
from hub.triggers.webhook.scheme import SIGNING

#: What differs from one case to the next: headers by name (None: not sent at all), and the body.
Change = tuple[str, Mapping[str, str | None], bytes]

#: Where a secret is more than a text.
ANOTHER_SECRET = {
    one.preset: preset(one.preset).get("strip_prefix", "") + base64.b64encode(bytes(24)).decode()
    for one in SENDERS
    if preset(one.preset).get("secret_encoding") == "base64"
}

each_sender = pytest.mark.parametrize("sender", SENDERS, ids=lambda one: f"{one.preset}-{one.header}")


def _status(desk: Desk, headers: list[tuple[str, str]], body: bytes) -> int:
    return desk.raw(body, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]).status


def _desk(sender: Sender, *, secret: object = None) -> Desk:
    return Desk(endpoint({"preset": sender.preset, "secret": secret or sender.secret}))


def _refused(desk: Desk, sender: Sender, changes: Iterator[Change]) -> None:
    for what, changed, body in changes:
        headers = {name: value for name, value in {**sender.signed(), **changed}.items() if value is not None}
        assert _status(desk, list(headers.items()), body) == 401, what
    assert desk.store.events == []


@each_sender
def test_a_delivery_as_the_sender_makes_it_is_taken(sender: Sender) -> None:
    desk = _desk(sender)
    headers, body = list(sender.signed().items()), sender.body()
    assert 200 <= _status(desk, headers, body) < 300
    assert desk.store.events[0].body == body


@each_sender
def test_another_body_or_another_signature_is_refused(sender: Sender) -> None:
    body, stamp = sender.body(), sender.stamp(NOW)
    raw = sender.make(sender.content(body, stamp))

    def changes() -> Iterator[Change]:
        for other in (
            body + b" ",
            body.rstrip(),
            b"",
            json.dumps(json.loads(body)).encode(),
            body.decode().encode("utf-16"),
        ):
            yield "another body", {}, other
        for what, bad in (
            ("another one's", sender.forge(sender.content(body, stamp))),
            ("of another body", sender.make(sender.content(b"{}", stamp))),
            ("of nothing", sender.make(b"")),
            ("cut", raw[:-1]),
            ("longer", raw + b"\0"),
            ("zeros", bytes(len(raw))),
            ("one bit", bytes([raw[0] ^ 1]) + raw[1:]),
            ("without a key", hmac.digest(b"", sender.content(body, stamp), "sha256")),
            ("a plain hash", hashlib.sha256(sender.content(body, stamp)).digest()),
            *(
                (f"by {name}", hmac.digest(sender.secret.encode(), sender.content(body, stamp), name))
                for name in ("md5", "sha384")
            ),
        ):
            yield what, {sender.header: sender.write(bad, stamp)}, body

    _refused(_desk(sender), sender, changes())


@each_sender
def test_another_way_of_writing_it_is_refused(sender: Sender) -> None:
    body, stamp = sender.body(), sender.stamp(NOW)
    raw = sender.make(sender.content(body, stamp))
    good = sender.write(raw, stamp)
    digits = raw.hex() if sender.text == "hex" else base64.b64encode(raw).decode()
    prefix = sender.shows.format(mac="", t=stamp)

    def changes() -> Iterator[Change]:
        yield (
            "the other alphabet",
            {sender.header: prefix + (base64.b64encode(raw).decode() if sender.text == "hex" else raw.hex())},
            body,
        )
        yield "in quotes", {sender.header: f'"{good}"'}, body
        yield "a space in it", {sender.header: prefix + digits[:4] + " " + digits[4:]}, body
        yield "a digit that is none", {sender.header: prefix + "\xb2" + digits[1:]}, body
        yield "cut by a digit", {sender.header: prefix + digits[:-1]}, body
        yield "0x before it", {sender.header: prefix + "0x" + digits}, body
        yield "nothing but what stands before", {sender.header: prefix}, body
        if sender.text == "base64":
            yield "padded twice", {sender.header: prefix + digits + "===="}, body
            if digits.endswith("="):
                yield "no padding", {sender.header: prefix + digits.rstrip("=")}, body
        if prefix:
            yield "nothing before it", {sender.header: digits}, body
            for this, that in (
                ("sha256", "sha512"),
                ("sha1=", "sha256="),
                ("v1", "v2"),
                ("v1", "v0"),
                ("v0", "v1"),
                ("h1", "h2"),
            ):
                if this in prefix:
                    yield "another word before it", {sender.header: good.replace(this, that)}, body
            yield "in capitals", {sender.header: prefix.upper() + digits}, body

    _refused(_desk(sender), sender, (change for change in changes() if change[1][sender.header] != good))


@each_sender
def test_what_is_missing_empty_or_there_twice_is_refused(sender: Sender) -> None:
    signed, body = sender.signed(), sender.body()
    needed = [name for name in (sender.header, sender.clock, sender.id) if name in signed]
    desk = _desk(sender)
    _refused(
        desk, sender, ((f"{name}: {value!r}", {name: value}, body) for name in needed for value in (None, "", " \t"))
    )
    for name in needed:
        for other in ("x", signed[name] + "0", "9" + signed[name]):
            twice = [*signed.items(), (name.upper(), other)]
            assert _status(desk, twice, body) == 401, name
            assert _status(desk, twice[::-1], body) == 401, name
    assert desk.store.events == []
    assert _status(desk, [*signed.items(), *((name.lower(), f" {signed[name]}\t") for name in needed)], body) < 300


@each_sender
def test_capitals_among_hexadecimal_digits_do_not_matter(sender: Sender) -> None:
    if sender.text != "hex":
        return
    stamp = sender.stamp(NOW)
    raw = sender.make(sender.content(sender.body(), stamp))
    signed = sender.signed() | {sender.header: sender.shows.format(mac=raw.hex().upper(), t=stamp)}
    assert _status(_desk(sender), list(signed.items()), sender.body()) < 300


@each_sender
def test_times_hold_up_to_the_edge_of_their_window(sender: Sender) -> None:
    desk = _desk(sender)
    if not sender.clock:
        desk.clock.ms += 10 * 365 * 86_400_000
        assert _status(desk, list(sender.signed().items()), sender.body()) < 300
        return
    for off, taken in ((0, True), (sender.window * 1000, True), (sender.window * 1000 + 1, False)):
        for side in (-1, 1):
            desk.clock.ms = NOW + side * off
            assert (_status(desk, list(sender.signed().items()), sender.body()) < 300) is taken, side * off


@each_sender
def test_a_time_is_signed_as_it_is_written_and_written_in_one_way(sender: Sender) -> None:
    if sender.clock in ("", "body"):
        return
    stamp, body = sender.stamp(NOW), sender.body()
    desk = _desk(sender)
    odd = [
        "+" + stamp,
        stamp + ".0",
        "-" + stamp,
        stamp + "e0",
        "0x" + stamp,
        stamp + "000000",
        "nan",
        stamp.replace("1", "١"),
        stamp[:-1] + "²",
    ]
    if sender.unit == "rfc3339":
        odd += [
            stamp.replace("Z", "+00:00"),
            stamp.lower(),
            stamp.replace("T", " "),
            stamp[:-1],
            stamp.replace("Z", ".Z"),
            str(NOW // 1000),
        ]
    else:
        odd += [str(NOW if sender.unit == "s" else NOW // 1000), "2023-11-14T22:13:20Z"]
    for text in odd:
        signed = {name: value.encode().decode("latin-1") for name, value in sender.signed(text).items()}
        assert _status(desk, list(signed.items()), body) == 401, text
    fresh = sender.stamp(NOW + 1_000)
    for name, value in sender.signed().items():
        if stamp in value:
            assert _status(desk, list((sender.signed() | {name: value.replace(stamp, fresh)}).items()), body) == 401, (
                name
            )
    assert desk.store.events == []


@each_sender
def test_either_of_two_secrets_will_do(sender: Sender) -> None:
    other = ANOTHER_SECRET.get(sender.preset, sender.secret[::-1])
    if preset(sender.preset)["type"] in ("hmac", "digest"):
        signed = list(sender.signed().items())
        assert _status(_desk(sender, secret=[other, sender.secret]), signed, sender.body()) < 300
        assert _status(_desk(sender, secret=[other]), signed, sender.body()) == 401


@pytest.mark.parametrize("sender", [one for one in SENDERS if "list" in preset(one.preset) or one.preset == "docusign"], ids=lambda one: one.preset)  # fmt: skip
def test_one_of_several_signatures_is_enough(sender: Sender) -> None:
    signed, body, stamp = sender.signed(), sender.body(), sender.stamp(NOW)
    bad = sender.write(sender.forge(sender.content(body, stamp)), stamp)
    if sender.preset == "docusign":
        assert _status(_desk(sender), [*signed.items(), ("X-DocuSign-Signature-50", bad)], body) < 300
        assert (
            _status(_desk(sender), [*(signed | {sender.header: bad}).items(), ("X-DocuSign-Signature-50", bad)], body)
            == 401
        )
        return
    separator = preset(sender.preset)["list"]["separator"]
    good = signed[sender.header].rpartition(separator)[2]
    for items, taken in (
        ([bad, good], True),
        ([signed[sender.header], bad.rpartition(separator)[2]], True),
        ([bad, bad], False),
    ):
        value = separator.join(items)
        assert (_status(_desk(sender), list((signed | {sender.header: value}).items()), body) < 300) is taken, value


def test_no_sender_that_signs_is_left_out() -> None:
    signing = {name for name in preset_names() if preset(name)["type"] in SIGNING}
    assert signing - {one.preset for one in SENDERS} == {"hubspot-v1", "hubspot-v2", "mailgun"}
