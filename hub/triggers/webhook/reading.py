"""The `verify` mapping of a file, laid over its preset and read into a Scheme, with every flaw found on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.model.durations import milliseconds
from hub.model.names import advice
from hub.triggers.webhook import scheme as words
from hub.triggers.webhook.presets import preset, preset_names
from hub.triggers.webhook.scheme import (
    Family,
    Flaw,
    ListForm,
    Scheme,
    Source,
    is_unicode,
    lint,
    parse_content,
    parse_headers,
    parse_source,
)

#: Keys with a meaning for some special check or handshake only.
OPTIONS = frozenset(
    {
        "verify_token",
        "topic_arns",
        "certs",
        "audience",
        "issuer",
        "email",
        "jwks_url",
        "keys",
        "origins",
        "client_id",
        "environment",
    }
)
_PLACES = frozenset({"header", "signature", "timestamp", "id", "event", "query", "requires", "url", "username"})
_FORM = frozenset({"type", "algorithm", "encoding", "prefix", "list", "content", "secret_encoding", "strip_prefix"})
_KEYS = OPTIONS | _PLACES | _FORM | {"preset", "secret", "handshake", "content_types", "methods"}

_HANDSHAKES = frozenset(
    {
        "none",
        "slack",
        "zoom",
        "twitch",
        "discord",
        "meta",
        "echo",
        "msgraph",
        "eventgrid",
        "cloudevents",
        "sns",
        "twitter_crc",
        "notion",
        "woocommerce",
        "empty",
    }
)
_NESTED = ("timestamp", "list", "id", "event")
_WIDEST_TOLERANCE = 86_400_000


def read_scheme(verify: Mapping[str, Any]) -> tuple[Scheme | None, list[Flaw]]:
    """The scheme of a `verify` mapping, and its flaws; no scheme when there are any."""
    flaws = [
        Flaw((key,), f'"{key}" is not a key of verify. {advice(str(key), _KEYS)}') for key in verify if key not in _KEYS
    ]
    flaws += [
        Flaw((key,), f"{key} holds half a character, which is no text.") for key in verify if _is_broken(verify[key])
    ]
    merged, named = ({}, "") if flaws else _over_preset(verify, flaws)
    if flaws:
        return None, flaws
    reader = _Reader(merged, flaws, named)
    found = reader.scheme()
    if not flaws:
        flaws.extend(lint(found))
    return (None, flaws) if flaws else (found, [])


def _is_broken(value: Any) -> bool:
    if isinstance(value, str):
        return not is_unicode(value)
    if isinstance(value, Mapping):
        return any(_is_broken(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple) and any(_is_broken(item) for item in value)


def _over_preset(verify: Mapping[str, Any], flaws: list[Flaw]) -> tuple[dict[str, Any], str]:
    name = verify.get("preset")
    if name is None:
        if "type" not in verify:
            flaws.append(Flaw((), 'verify needs a preset ("preset: github") or a type ("type: hmac").'))
        return dict(verify), ""
    if not isinstance(name, str) or name not in preset_names():
        shown = name if isinstance(name, str) else "?"
        flaws.append(Flaw(("preset",), f'there is no preset "{shown}". {advice(shown, preset_names())}'))
        return {}, ""
    merged = preset(name)
    for key, value in verify.items():
        if key in _NESTED and isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = {**merged[key], **value}
        else:
            merged[key] = value
    if {"header", "timestamp", "id", "event"} & verify.keys():
        # Places that a file names replace the preset's families, which would otherwise win over them.
        first = dict(merged.pop("families", [{}])[0])
        for key, value in first.items():
            if key not in verify:
                merged[key] = value
            elif key in _NESTED and isinstance(value, Mapping) and isinstance(verify[key], Mapping):
                merged[key] = {**value, **verify[key]}
    return merged, name


class _Reader:
    """Reads one merged mapping. Values are never echoed: any of them may have come out of a secret."""

    def __init__(self, given: Mapping[str, Any], flaws: list[Flaw], preset_name: str) -> None:
        self.given = given
        self.flaws = flaws
        self.preset = preset_name

    def scheme(self) -> Scheme:
        type_ = self._one_of(
            "type", words.TYPES if not self.preset else words.SIGNING + words.STATIC + words.SPECIAL, "hmac"
        )
        stamp = self._mapping("timestamp", ("from", "unit", "tolerance"))
        mark = self._mapping("id", ("from", "signed", "joined"))
        families = self._families(type_)
        timed = any(family.timestamp for family in families)
        return Scheme(
            type=type_,
            families=families,
            signature=self._source("signature"),
            algorithm=self._one_of("algorithm", words.ALGORITHMS, "sha256"),
            encoding=self._one_of("encoding", words.ENCODINGS, "hex"),
            prefix=self._text("prefix").encode(),
            list=self._list(),
            content=self._content(),
            unit=self._one_of("unit", words.UNITS, "s", stamp, ("timestamp",)),
            tolerance=self._tolerance(stamp) if timed or "tolerance" in stamp else None,
            key_encoding=self._one_of("secret_encoding", words.SECRET_ENCODINGS, "utf8"),
            strip_prefix=self._text("strip_prefix"),
            id_signed=self._flag(mark, "signed", ("id",)),
            id_joined=self._flag(mark, "joined", ("id",)),
            event_suffix=self._source("then", self._mapping("event", ("from", "then")), ("event",)),
            requires=self._requires(),
            query=self._text("query"),
            url_unescape=self._text("url_unescape"),
            url=self._text("url"),
            handshake=self._one_of("handshake", sorted(_HANDSHAKES), "none"),
            content_types=self._texts("content_types"),
            methods=tuple(method.upper() for method in self._texts("methods")) or ("POST",),
            preset=self.preset,
            options={key: self.given[key] for key in OPTIONS if key in self.given} | self._username(),
        )

    def _flaw(self, path: tuple[str | int, ...], message: str) -> None:
        self.flaws.append(Flaw(path, message))

    def _username(self) -> dict[str, Any]:
        return {"username": self._text("username")} if "username" in self.given else {}

    def _text(self, key: str) -> str:
        value = self.given.get(key, "")
        if not isinstance(value, str) or len(value) > 2_000:  # noqa: PLR2004 - a URL's length
            self._flaw((key,), f"{key} must be a text.")
            return ""
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self.given.get(key, ())
        if (
            not isinstance(value, Sequence)
            or isinstance(value, str)
            or not all(isinstance(item, str) for item in value)
        ):
            self._flaw((key,), f"{key} must be a list of texts.")
            return ()
        return tuple(value)

    def _one_of(
        self,
        key: str,
        known: Sequence[str],
        default: str,
        within: Mapping[str, Any] | None = None,
        path: tuple[str, ...] = (),
    ) -> str:
        value = (self.given if within is None else within).get(key, default)
        if value not in known:
            self._flaw((*path, key), f"{'.'.join((*path, key))} must be one of {', '.join(known)}.")
            return default
        return str(value)

    def _mapping(self, key: str, keys: Sequence[str]) -> Mapping[str, Any]:
        value = self.given.get(key, {})
        if isinstance(value, str):
            value = {"from": value}
        if not isinstance(value, Mapping):
            self._flaw((key,), f"{key} must be a mapping with {', '.join(keys)}.")
            return {}
        for extra in value.keys() - set(keys):
            self._flaw((key, extra), f'"{extra}" is not a key of {key}. {advice(str(extra), keys)}')
        return value

    def _source(self, key: str, within: Mapping[str, Any] | None = None, path: tuple[str, ...] = ()) -> Source | None:
        value = (self.given if within is None else within).get(key)
        if value is None:
            return None
        found = parse_source(value)
        if found is None:
            self._flaw(
                (*path, key), f'{key} must say where: "header:NAME", "signature:KEY", "json:a.b" or "query:NAME".'
            )
        return found

    def _families(self, type_: str) -> tuple[Family, ...]:
        families = self.given.get("families") or [{}]
        return tuple(self._family({**self.given, **family}, type_) for family in families)

    def _family(self, given: Mapping[str, Any], type_: str) -> Family:
        inner = _Reader(given, self.flaws, self.preset)
        headers: tuple[bytes, ...] = ()
        if "header" in given:
            found = parse_headers(given["header"])
            if found is None:
                self._flaw(
                    ("header",), "header must be a header's name, or a numbered family such as X-Signature-{1..9}."
                )
            headers = found or ()
        elif type_ in ("token", *words.SIGNING) and "signature" not in given and not given.get("query"):
            self._flaw(("header",), f"verify with type {type_} needs the name of the header that holds the credential.")
        stamp = inner._mapping("timestamp", ("from", "unit", "tolerance"))
        source = inner._source("from", stamp, ("timestamp",))
        if stamp and source is None and type_ in words.SIGNING:
            self._flaw(("timestamp",), 'timestamp needs from: "header:NAME", "signature:KEY" or "json:a.b".')
        ids = inner._places("id", ("from", "signed", "joined"))
        return Family(headers, source, ids, inner._places("event", ("from", "then")))

    def _places(self, key: str, keys: Sequence[str]) -> tuple[Source, ...]:
        value = self._mapping(key, keys).get("from", [])
        found = (
            [parse_source(item) for item in ([value] if isinstance(value, str) else value)]
            if isinstance(value, str | list)
            else [None]
        )
        if any(source is None or source.kind == "signature" for source in found):
            self._flaw(
                (key, "from"),
                f'{key}.from must say where: "header:NAME", "json:a.b" or "query:NAME", or a list of them.',
            )
        return tuple(source for source in found if source is not None)

    def _list(self) -> ListForm | None:
        if "list" not in self.given:
            return None
        value = self._mapping("list", ("separator", "key", "kv"))
        separator, key, kv = value.get("separator", ","), value.get("key"), value.get("kv", "=")
        if not all(isinstance(item, str) and item for item in (separator, key, kv)):
            self._flaw(("list",), 'list needs a separator (",") and a key ("v1"), and kv when it is not "=".')
            return None
        return ListForm(str(separator).encode(), str(key).encode(), str(kv).encode())

    def _content(self) -> tuple[words.Part, ...]:
        found = parse_content(self.given.get("content", "{body}"))
        if found is None:
            self._flaw(
                ("content",),
                "content must be made of {body}, {timestamp}, {id}, {method}, {url}, {header:NAME}, {json:a.b} and fixed text.",
            )
        return found or (words.Part("body"),)

    def _tolerance(self, stamp: Mapping[str, Any]) -> int | None:
        try:
            tolerance = milliseconds(stamp.get("tolerance", "300s"))
        except (ValueError, AttributeError):
            tolerance = 0
        if not 0 < tolerance <= _WIDEST_TOLERANCE:
            self._flaw(
                ("timestamp", "tolerance"), 'timestamp.tolerance must be a duration from 1s to 1d, such as "300s".'
            )
        return tolerance

    def _flag(self, within: Mapping[str, Any], key: str, path: tuple[str, ...]) -> bool:
        value = within.get(key, False)
        if not isinstance(value, bool):
            self._flaw((*path, key), f"{'.'.join((*path, key))} must be true or false.")
            return False
        return value

    def _requires(self) -> tuple[tuple[bytes, bytes], ...]:
        value = self.given.get("requires", {})
        if not isinstance(value, Mapping) or not all(isinstance(item, str) for pair in value.items() for item in pair):
            self._flaw(("requires",), "requires must be a mapping of header names to values.")
            return ()
        return tuple((name.lower().encode(), text.encode()) for name, text in value.items())
