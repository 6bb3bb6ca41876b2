"""Executors into endpoints: everything that is wrong with one is found before it takes a single request."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from hub.model.durations import milliseconds
from hub.model.errors import ConfigError
from hub.model.executor import Executor, Problem, WebhookTrigger
from hub.triggers.webhook.adyen import AdyenVerifier
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.endpoint import (
    DEFAULT_BODY,
    DEFAULT_CONCURRENCY,
    DEFAULT_WINDOW,
    LARGEST_BODY,
    Endpoint,
    Network,
    Validate,
)
from hub.triggers.webhook.graph import GraphVerifier
from hub.triggers.webhook.handshake import METHODS
from hub.triggers.webhook.jwts import BearerVerifier, PlaidVerifier
from hub.triggers.webhook.presets import preset
from hub.triggers.webhook.reading import read_scheme
from hub.triggers.webhook.responding import read_response
from hub.triggers.webhook.scheme import Scheme, Source, parse_source, warnings
from hub.triggers.webhook.secrets import BadSecret, has_white_space_around, secret_list
from hub.triggers.webhook.sns import SnsVerifier
from hub.triggers.webhook.tokens import BasicVerifier, ClosedVerifier, NoVerifier, TokenVerifier
from hub.triggers.webhook.twilio import TwilioVerifier
from hub.triggers.webhook.verify import SignatureVerifier, Verifier

#: Without a secret these answer their handshake and refuse everything else, so that the sender can be set up first.
_SET_UP_FIRST = frozenset({"notion", "eventgrid", "cloudevents"})
_SIZE = re.compile(r"([0-9]{1,8}) ?(B|KiB|MiB)")
#: RFC 6838, 4.2, without `*`: that stands for any, and only where somebody asks for something.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_UNITS = {"B": 1, "KiB": 1_024, "MiB": 1_048_576}


def build(
    executor: Executor,
    fill: Callable[[Any], Any],
    *,
    public_url: str = "",
    documents: Documents | None = None,
    compile_schema: Callable[[Mapping[str, Any]], Validate] | None = None,
    weak: bool = False,
) -> Endpoint | list[Problem]:
    """The endpoint of a webhook executor, or everything that is wrong with it, each with its place in the file.

    `fill` puts values where `${secret:…}` and `${env:…}` stand; what it gives back is held by the endpoint alone. `weak` takes short
    secrets, for tests against other people's vectors.
    """
    trigger = executor.trigger
    if not isinstance(trigger, WebhookTrigger):
        raise TypeError(f"{executor.name} has no webhook trigger")
    maker = _Maker(executor, trigger, public_url, documents or Documents(), weak=weak)
    try:
        filled = fill(
            {
                "verify": trigger.verify,
                "methods": list(trigger.methods),
                "dedupe": trigger.dedupe,
                "limits": trigger.limits,
                "response": trigger.response,
            }
        )
    except ConfigError as error:
        return list(error.problems)
    endpoint = maker.endpoint(filled, compile_schema)
    if maker.problems or endpoint is None:
        return list(dict.fromkeys(maker.problems))
    return endpoint


class _Maker:
    """Makes one endpoint and gathers problems. Filled-in values are never echoed."""

    def __init__(
        self, executor: Executor, trigger: WebhookTrigger, public_url: str, documents: Documents, *, weak: bool
    ) -> None:
        self.executor = executor
        self.trigger = trigger
        self.public_url = public_url
        self.documents = documents
        self.weak = weak
        self.problems: list[Problem] = []

    def problem(self, path: Sequence[str | int], message: str) -> None:
        self.problems.append(Problem(self.executor.at("trigger", "webhook", *path), message))

    def endpoint(
        self, given: Mapping[str, Any], compile_schema: Callable[[Mapping[str, Any]], Validate] | None
    ) -> Endpoint | None:
        notes: list[str] = []
        proof = self._proof(given["verify"], notes)
        if proof is None:
            return None
        scheme, verifier = proof
        defaults = preset(scheme.preset) if scheme.preset else {}
        dedupe, place = self._dedupe(given["dedupe"])
        return Endpoint(
            name=self.executor.name,
            scheme=scheme,
            verifier=verifier,
            methods=self._methods(given["methods"], scheme),
            handshake_methods=frozenset({METHODS[scheme.handshake]} if scheme.handshake in METHODS else ()),
            content_types=self._content_types(given["limits"], scheme),
            max_body=self._size(given["limits"]),
            rate=self._whole(given["limits"], "rate", None, 1_000_000),
            concurrency=self._whole(given["limits"], "concurrency", DEFAULT_CONCURRENCY, 1_000) or DEFAULT_CONCURRENCY,
            networks=self._networks(given["limits"]),
            dedupe=dedupe,
            place=place,
            # A place that the file names stands for itself.
            body_unique=dedupe == "id" and bool(defaults.get("body_unique")),
            window=self._window({"window": defaults.get("window", DEFAULT_WINDOW / 1_000), **given["dedupe"]}),
            conflict="duplicate" if defaults.get("conflict") == "duplicate" else "refuse",
            response=read_response(
                {**defaults.get("response", {}), **given["response"]}, defaults.get("budget", "10s"), self.problem
            ),
            events=self.trigger.events,
            validate=self._validate(compile_schema),
            secret_headers=_secret_headers(scheme),
            secret_parameters=_secret_parameters(scheme),
            warnings=tuple(notes + warnings(scheme)),
        )

    def _proof(self, verify: Mapping[str, Any] | None, notes: list[str]) -> tuple[Scheme, Verifier | None] | None:
        """How deliveries are verified; without a verifier by the token in the address. None where that cannot be read."""
        if verify is None:
            return Scheme("none"), None
        scheme, flaws = read_scheme(verify)
        for flaw in flaws:
            self.problem(("verify", *flaw.path), flaw.message)
        if scheme is None:
            return None
        verifier = self._verifier(scheme, verify, notes)
        signs_url = scheme.type == "twilio" or any(part.kind == "url" for part in scheme.content)
        if signs_url and not (self.public_url or scheme.url):
            self.problem(
                ("verify",), "this sender signs the URL: set server.public_url in config/hub.yaml, or url here."
            )
        return scheme, verifier

    def _verifier(self, scheme: Scheme, verify: Mapping[str, Any], notes: list[str]) -> Verifier | None:
        try:
            if scheme.type == "none":
                notes.append("anybody who knows the address may send: nothing is verified.")
                return NoVerifier(scheme)
            if scheme.type == "sns":
                return SnsVerifier(scheme, self.documents)
            if "secret" not in verify and scheme.preset in _SET_UP_FIRST:
                notes.append("no secret is set, so only the sender's handshake is answered and nothing else is taken.")
                return ClosedVerifier(scheme)
            secrets = _secrets(scheme, verify)
            if any(has_white_space_around(secret) for secret in secrets):
                notes.append("there is white space before or behind the secret, and it is taken for a part of it.")
            return self._with_secrets(scheme, secrets)
        except BadSecret as error:
            self.problem(("verify", "secret"), f"{error}.")
            return None

    def _with_secrets(self, scheme: Scheme, secrets: Sequence[str]) -> Verifier:
        match scheme.type:
            case "token" | "bearer":
                return TokenVerifier(scheme, secrets, weak=self.weak)
            case "basic":
                return BasicVerifier(scheme, secrets, weak=self.weak)
            case "twilio":
                return TwilioVerifier(scheme, secrets, public_url=self.public_url, weak=self.weak)
            case "adyen":
                return AdyenVerifier(scheme, secrets, weak=self.weak)
            case "msgraph":
                return GraphVerifier(scheme, secrets, weak=self.weak)
            case "jwt":
                return BearerVerifier(scheme, secrets, self.documents)
            case "plaid":
                return PlaidVerifier(scheme, secrets, self.documents)
        return SignatureVerifier(scheme, secrets, public_url=self.public_url, weak=self.weak)

    def _methods(self, methods: Sequence[str], scheme: Scheme) -> frozenset[str]:
        chosen = tuple(methods) if tuple(methods) != ("POST",) else scheme.methods
        return frozenset(method.upper() for method in chosen)

    def _content_types(self, limits: Mapping[str, Any], scheme: Scheme) -> frozenset[str]:
        where = "limits" if "content_types" in limits else "verify"
        listed = limits.get("content_types", scheme.content_types)
        kinds = [kind.split(";")[0].strip().lower() for kind in listed]
        for index, kind in enumerate(kinds):
            if not _MEDIA_TYPE.fullmatch(kind):
                self.problem(
                    (where, "content_types", index),
                    f"{where}.content_types names each media type in full, such as application/json or text/plain, and "
                    f'"{kind}" is none. Left out it takes JSON, forms and plain text.',
                )
        return frozenset(kinds)

    def _size(self, limits: Mapping[str, Any]) -> int:
        value = limits.get("body", DEFAULT_BODY)
        found = _SIZE.fullmatch(value) if isinstance(value, str) else None
        size = int(found[1]) * _UNITS[found[2]] if found else value
        if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= LARGEST_BODY:
            self.problem(("limits", "body"), 'limits.body must be a number of bytes up to 25MiB, such as "2MiB".')
            return DEFAULT_BODY
        return size

    def _whole(self, limits: Mapping[str, Any], key: str, default: int | None, most: int) -> int | None:
        value = limits.get(key, default)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most):
            self.problem(("limits", key), f"limits.{key} must be a whole number from 1 to {most}.")
            return default
        return value

    def _networks(self, limits: Mapping[str, Any]) -> tuple[Network, ...]:
        try:
            return tuple(ipaddress.ip_network(text) for text in limits.get("networks", ()))
        except (ValueError, TypeError):
            self.problem(
                ("limits", "networks"),
                'limits.networks must be a list of addresses or networks, such as "192.0.2.0/24".',
            )
            return ()

    def _dedupe(self, dedupe: Mapping[str, Any]) -> tuple[Literal["id", "body", "place", "none"], Source | None]:
        key = dedupe.get("key")
        match key:
            case None:
                return "id", None
            case "body" | "none":
                return ("body", None) if key == "body" else ("none", None)
        place = parse_source(key)
        if place is None or place.kind not in ("header", "json", "query"):
            self.problem(("dedupe", "key"), "dedupe.key must be header:NAME, json:a.b, query:NAME, body or none.")
        return "place", place

    def _window(self, dedupe: Mapping[str, Any]) -> int:
        try:
            return milliseconds(dedupe["window"])
        except (ValueError, AttributeError):
            self.problem(("dedupe", "window"), 'dedupe.window must be a duration, such as "14d".')
            return DEFAULT_WINDOW

    def _validate(self, compile_schema: Callable[[Mapping[str, Any]], Validate] | None) -> Validate | None:
        if self.trigger.schema is None:
            return None
        if compile_schema is None:
            self.problem(("schema",), "this hub was put together without a checker for schemas.")
            return None
        return compile_schema(self.trigger.schema)


def _secret_headers(scheme: Scheme) -> frozenset[bytes]:
    own = {name for family in scheme.families for name in family.headers}
    return frozenset(own | _credential_in(scheme, "header") | {b"authorization", b"cookie"})


def _secret_parameters(scheme: Scheme) -> frozenset[str]:
    own = {name.decode() for name in _credential_in(scheme, "query")} | ({scheme.query} if scheme.query else set())
    return frozenset(own | {"access_token", "token"})


def _credential_in(scheme: Scheme, kind: Literal["header", "query"]) -> set[bytes]:
    """The place that the file names for the signature, where it is of this kind."""
    place = scheme.signature
    return {place.name} if place is not None and place.kind == kind else set()


def _secrets(scheme: Scheme, verify: Mapping[str, Any]) -> list[str]:
    if "secret" in verify:
        return secret_list(verify["secret"])
    if scheme.type in ("jwt", "plaid"):
        return []
    raise BadSecret("the secret is missing: write secret: ${secret:NAME}")
