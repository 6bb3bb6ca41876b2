"""The presets as a page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hub.model.durations import spoken
from hub.triggers.webhook.presets import preset, preset_names
from hub.triggers.webhook.reading import read_scheme
from hub.triggers.webhook.scheme import SIGNING, Part, Scheme, Source


def describe_presets() -> str:
    """Markdown: a table with a row for each preset, in alphabetical order."""
    rows = ["| preset | what it is | proof | signed | window | dedupe |", "| --- | --- | --- | --- | --- | --- |"]
    for name in sorted(preset_names()):
        scheme, flaws = read_scheme({"preset": name})
        assert scheme is not None, flaws
        rows.append(
            f"| `{name}` | {preset(name)['description']} | {_proof(scheme)} | {_signed(scheme)} | {_window(scheme)} | {_id(scheme)} |"
        )
    return "\n".join(rows) + "\n"


def _proof(scheme: Scheme) -> str:
    names = [
        f"`{family.headers[0].decode()}`" + (f" to `{family.headers[-1].decode()}`" if len(family.headers) > 1 else "")
        for family in scheme.families
        if family.headers
    ]
    kind = f"{scheme.type} {scheme.algorithm}, {scheme.encoding}" if scheme.type in ("hmac", "digest") else scheme.type
    if scheme.query:
        names.append(f"`?{scheme.query}=`")
    return f"{kind}" + (f": {' or '.join(names)}" if names else "")


def _signed(scheme: Scheme) -> str:
    if scheme.type not in SIGNING:
        return ""
    return f"`{signed_content(scheme)}`"


def signed_content(scheme: Scheme) -> str:
    """What the sender signs, as a file writes it: `{timestamp}.{body}`."""
    return "".join(_part(part) for part in scheme.content)


def _part(part: Part) -> str:
    match part.kind:
        case "text":
            return part.text.decode()
        case "header":
            return f"{{header:{part.text.decode()}}}"
        case "json":
            return f"{{json:{'.'.join(map(str, part.path))}}}"
    return f"{{{part.kind}}}"


def _window(scheme: Scheme) -> str:
    return "" if scheme.tolerance is None else f"± {spoken(scheme.tolerance)}"


def _id(scheme: Scheme) -> str:
    places = [_place(source) for source in scheme.families[0].id]
    if not places:
        return "nothing"
    return (" and " if scheme.id_joined else " or ").join(places) + ("" if scheme.id_signed else ", not signed")


def _place(source: Source) -> str:
    if source.kind == "json":
        return f"`{'.'.join(map(str, source.path))}` of the body"
    return "every item's reference" if source.kind == "special" else f"`{source.name.decode()}`"


#: What an example has to say beside the preset and its secret.
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "basic": {"secret": "user:${secret:WEBHOOK_PASSWORD}"},
    "meta": {"verify_token": "${secret:META_VERIFY_TOKEN}"},
    "none": {"secret": None},
    "notion": {},
    "oidc": {
        "secret": None,
        "issuer": "https://login.example.com",
        "audience": "https://hub.example.com/webhooks/EXECUTOR",
        "jwks_url": "https://login.example.com/.well-known/jwks.json",
    },
    "plaid": {"client_id": "${env:PLAID_CLIENT_ID}"},
    "pubsub": {
        "secret": None,
        "audience": "https://hub.example.com/webhooks/EXECUTOR",
        "email": "push@my-project.iam.gserviceaccount.com",
    },
    "sns": {"secret": None, "topic_arns": ["arn:aws:sns:eu-west-1:123456789012:orders"]},
}


def example(name: str) -> dict[str, Any]:
    """The `verify` mapping of an example for one preset, secrets named."""
    secret = f"${{secret:{name.upper().replace('-', '_')}_WEBHOOK}}"
    written: dict[str, Any] = {
        "preset": name,
        "secret": f"user:{secret}" if preset(name)["type"] == "basic" else secret,
    }
    written.update(_SETTINGS.get(name, {}))
    return {key: value for key, value in written.items() if value is not None}


#: What an example has to say of the answer, where the sender's pages name a status or a body of their own.
_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "slack": {"status": 200, "body": ""},
    "zoom": {"status": 200},
}


def example_response(name: str) -> Mapping[str, Any]:
    """The `response` mapping of an example for one preset; mostly it needs none."""
    return _ANSWERS.get(name, {})


def describe_examples() -> str:
    """Markdown: a section for each preset with the lines of YAML that it takes, and what is worth knowing."""
    sections = []
    for name in sorted(preset_names()):
        scheme, _ = read_scheme({"preset": name})
        assert scheme is not None
        lines = [f"### {name}", "", f"{_sentence(preset(name)['description'])}{_notes(name, scheme)}", "", "```yaml"]
        lines += ["trigger:", "  webhook:", "    verify:"]
        lines += [f"      {key}: {_yaml(value)}" for key, value in example(name).items()]
        if answer := example_response(name):
            lines += ["    response:", *(f"      {key}: {_yaml(value)}" for key, value in answer.items())]
        sections.append("\n".join([*lines, "```"]))
    return "\n\n".join(sections) + "\n"


def _notes(name: str, scheme: Scheme) -> str:
    data = preset(name)
    notes = []
    if scheme.handshake != "none":
        notes.append("Its handshake is answered.")
    if data.get("body_unique"):
        notes.append("The same body is a repetition, under whatever id it comes.")
    if "window" in data:
        notes.append(f"Deliveries are remembered for {data['window']}.")
    if "status" in data.get("response", {}):
        notes.append(f"It is answered with {data['response']['status']}.")
    if name in _ANSWERS:
        notes.append("Its pages ask for the answer that is written here.")
    if "budget" in data:
        notes.append(f"It waits {data['budget']} for an answer.")
    return "".join(f" {note}" for note in notes)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _yaml(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) or not str(value).isalnum() else str(value)
