"""That a form was filled in on a page of this console, by whom the page was made for (cross-site request forgery).

Two proofs, both needed: the browser says that the request comes from this origin, and the form holds a token that only
pages of the same session have. The token is derived from the session's secret, and is worth nothing once that has ended.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers

FIELD = "form_proof"
_PURPOSE = b"hub console form"


def form_proof(secret: str) -> str:
    """The token for the forms of a session."""
    made = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def holds(secret: str, given: str) -> bool:
    """Whether the token is that session's."""
    return bool(secret) and hmac.compare_digest(form_proof(secret).encode(), given.encode())


def from_here(headers: Headers, address: str) -> bool:
    """Whether the browser says that the request was made by a page of this origin.

    Pages that send no referrer have their forms sent with `Origin: null` (WHATWG Fetch, 3.2), as pages in sandboxes have. Then
    `Sec-Fetch-Site` decides, which no page can set; without it nothing speaks for the request.
    """
    origin = headers.get("origin", "null")
    if origin == "null":
        return headers.get("sec-fetch-site") == "same-origin"
    if origin == address:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc == headers.get("host")
