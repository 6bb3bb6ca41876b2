"""The presets as a page for people."""

from __future__ import annotations

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
    return "`" + "".join(_part(part) for part in scheme.content) + "`"


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
    return " or ".join(places) + ("" if scheme.id_signed else ", not signed")


def _place(source: Source) -> str:
    if source.kind == "json":
        return f"`{'.'.join(map(str, source.path))}` of the body"
    return "every item's reference" if source.kind == "special" else f"`{source.name.decode()}`"
