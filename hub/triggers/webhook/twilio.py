"""Twilio: HMAC-SHA1 over the URL and the sorted form fields, or over a URL that holds the hash of a JSON body.

https://www.twilio.com/docs/usage/webhooks/webhooks-security; its library tries the URL with and without its port.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from hub.triggers.webhook.body import FORM_TYPE, BadBody, form_fields, media_type
from hub.triggers.webhook.grammar import read_base64, read_hex
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict
from hub.triggers.webhook.scheme import Scheme
from hub.triggers.webhook.secrets import make_keys
from hub.triggers.webhook.verify import Checked, full_url, shown_url

_PORTS = {"https": 443, "http": 80}
#: What a request that is signed with a shared key says of itself. It is told to people, and never followed.
_ALGORITHM = re.compile(rb"algorithm=HMAC_(SHA1|SHA256)\b", re.IGNORECASE)


class TwilioVerifier(Checked):
    """Raises BadSecret."""

    def __init__(self, scheme: Scheme, secrets: Sequence[str], *, public_url: str = "", weak: bool = False) -> None:
        self.scheme = scheme
        self.keys = make_keys(scheme, secrets, weak=weak)
        self.public_url = public_url

    def judge(self, request: RawRequest, _now_ms: int, /) -> Verdict:
        given = request.value(self.scheme.families[0].headers[0])
        if given is None:
            raise Refusal("header", "the header x-twilio-signature is missing: is it Twilio that calls?")
        signature = read_base64(given)
        if signature is None:
            raise Refusal("form", "the signature is not base64")
        tail = self._signed_body(request)
        contents = [
            url.encode("latin-1", "replace") + tail
            for url in spellings(full_url(self.scheme, request, self.public_url))
        ]
        matched = None
        for index, key in enumerate(self.keys):
            hits = [key.check(content, [signature]) for content in contents]
            if any(hits) and matched is None:
                matched = index
        if matched is None:
            raise Refusal("signature", self._mismatch(request))
        return Verdict(ok=True, secret_index=matched)

    def _mismatch(self, request: RawRequest) -> str:
        named = _ALGORITHM.search(request.value(b"x-twilio-webhooks-signature-settings") or b"")
        if named is not None and named[1].decode().lower() != self.scheme.algorithm:
            wanted = named[1].decode().lower()
            return f"it is signed with a key of its own, by {wanted}: write algorithm: {wanted} beside the preset, and that key as secret"
        address = shown_url(self.scheme, request, self.public_url)
        return f"no signature matches: the auth token is another one, or Twilio has another address than {address}"

    def _signed_body(self, request: RawRequest) -> bytes:
        """What of the body stands behind the URL; refuses a body that nothing covers."""
        named = request.query("bodySHA256")
        if named is None:
            if media_type(request.value(b"content-type") or b"") == FORM_TYPE or not request.body:
                return sorted_fields(request.body)
            raise Refusal(
                "content", "the body is no form, and the URL does not hold its hash in bodySHA256: nothing proves it"
            )
        # A URL that holds a hash was signed for that body alone, so neither an empty body nor a form may take its place.
        claimed = read_hex(named.encode("latin-1", "replace"))
        if claimed is None or not hmac.compare_digest(claimed, hashlib.sha256(request.body).digest()):
            raise Refusal("signature", "the body is not the one that bodySHA256 was made of")
        return b""


def spellings(url: str) -> list[str]:
    """A URL as it is, with its scheme's own port, and without any."""
    parts = urlsplit(url)
    host, colon, _ = parts.netloc.rpartition(":")
    bare = host if colon and not parts.netloc.endswith("]") else parts.netloc
    rest = url.partition("://")[2][len(parts.netloc) :]
    return list(
        dict.fromkeys(
            (url, f"{parts.scheme}://{bare}{rest}", f"{parts.scheme}://{bare}:{_PORTS.get(parts.scheme, 443)}{rest}")
        )
    )


def sorted_fields(body: bytes) -> bytes:
    """Names and values of a form, sorted and each pair once, as Twilio puts them behind the URL."""
    try:
        pairs = set(form_fields(body))
    except BadBody as error:
        raise Refusal("content", f"the form cannot be read: {error}") from None
    return "".join(name + value for name, value in sorted(pairs)).encode()
