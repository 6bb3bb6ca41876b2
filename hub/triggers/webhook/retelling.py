"""What a delivery that was let in had to pass, told from what was kept of it. Its credential was not kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.model.durations import spoken
from hub.model.event import Event
from hub.triggers.webhook.describe import signed_content
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.examine import Step
from hub.triggers.webhook.scheme import SIGNING, Family, Scheme, Source

_BODY = "the hash of its body: the same body again is a repetition"


def retell(endpoint: Endpoint | None, event: Event) -> tuple[Step, ...]:
    """Each step, in order. `endpoint` is the executor's now; where its file says another scheme since, less is told."""
    proof = event.payload.get("proof")
    if not isinstance(proof, dict):
        return (Step("proof", ok=True, detail="its sender proved itself; how that was done was not recorded then"),)
    headers = event.payload.get("headers") or {}
    kind = headers.get("content-type") or "a type that it does not name"
    head = Step("head", ok=True, detail=f"{event.payload.get('method')} of {kind}: method, length and type are taken")
    if endpoint is None or endpoint.scheme.name != proof.get("by"):
        said = f"verified as {proof.get('by')}{_secret(proof, None)}; the file says something else now"
        return (head, Step("proof", ok=True, detail=said))
    return (head, *_proved(endpoint, proof, event), *_read(endpoint, event))


def _proved(endpoint: Endpoint, proof: Mapping[str, Any], event: Event) -> Iterator[Step]:
    scheme = endpoint.scheme
    if endpoint.verifier is None:
        yield Step("token", ok=True, detail="the secret token in the address was right")
        return
    if scheme.name == "none":
        yield Step("proof", ok=True, detail="the file asks for none: anybody can send here")
        return
    family = _family(scheme, event.payload.get("headers") or {})
    yield Step("credential", ok=True, detail=f"{_credential(scheme, family)} was there; its value was not kept")
    keys = len(endpoint.verifier.keys) or None
    if scheme.type in SIGNING:
        how = f"{scheme.type} {scheme.algorithm}" if scheme.type in ("hmac", "digest") else scheme.type
        said = f"{how} in {scheme.encoding} over {signed_content(scheme)} holds{_secret(proof, keys)}"
        yield Step("signature", ok=True, detail=said)
    else:
        yield Step("proof", ok=True, detail=f"it holds, as {scheme.name} has it{_secret(proof, keys)}")
    at = proof.get("at")
    if isinstance(at, int):
        allowed = "" if scheme.tolerance is None else f"; {spoken(scheme.tolerance)} are allowed"
        side = "before" if at <= event.received_at else "after"
        yield Step("timestamp", ok=True, detail=f"signed {_apart(at, event.received_at)} {side} it came{allowed}")


def _read(endpoint: Endpoint, event: Event) -> Iterator[Step]:
    """What followed once the sender was known."""
    yield Step("body", ok=True, detail=f"{len(event.body or b''):,} bytes that can be read")
    if endpoint.shape_of(event.type) is not None:
        yield Step("schema", ok=True, detail="the body has the shape that the file asks for")
    yield Step("key", ok=True, detail=_key(endpoint, event))


def _key(endpoint: Endpoint, event: Event) -> str:
    if event.key is None and endpoint.body_unique and event.body:
        return _BODY
    if event.key is None:
        return "nothing in it tells a repetition: each delivery is an event of its own"
    match endpoint.dedupe:
        case "body":
            return _BODY
        case "place" if endpoint.place is not None:
            return f"its id, from {_place(endpoint.place)}"
    family = _family(endpoint.scheme, event.payload.get("headers") or {})
    places = (" and " if endpoint.scheme.id_joined else " or ").join(_place(source) for source in family.id)
    return f"the sender's id, from {places}" + (", which is signed" if endpoint.scheme.id_signed else "")


def _family(scheme: Scheme, headers: Mapping[str, Any]) -> Family:
    """The one whose credential came. Names of headers are kept, also where their values are not."""
    came = [one for one in scheme.families if any(name.decode("latin-1") in headers for name in one.headers)]
    return came[0] if came else scheme.families[0]


def _credential(scheme: Scheme, family: Family) -> str:
    if scheme.signature is not None:
        return f"the signature at {_place(scheme.signature)}"
    return f"the header {family.headers[0].decode()}" if family.headers else "the credential"


def _place(source: Source) -> str:
    match source.kind:
        case "json":
            return f"{'.'.join(map(str, source.path))} of the body"
        case "special":
            return "the references of its items"
        case "query":
            return f"the parameter {source.name.decode()}"
    return f"the header {source.name.decode()}"


def _secret(proof: Mapping[str, Any], keys: int | None) -> str:
    index = proof.get("secret")
    if not isinstance(index, int):
        return ""
    return f", with secret number {index + 1}" + (f" of {keys}" if keys is not None else "")


def _apart(one: int, other: int) -> str:
    return spoken(abs(one - other))
