"""Random secrets: shown once, and kept as a hash.

They have 256 random bits, so a plain SHA-256 is enough (nobody can go through the possibilities), and a look-up by hash tells
whoever measures it nothing that helps. A prefix lets scanners of source code recognise them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = 32

#: What a secret begins with, by what it is for.
MACHINE_USER, SESSION, INVITATION = "hubmu_", "hubse_", "hubin_"


def new_secret(prefix: str) -> str:
    return prefix + secrets.token_urlsafe(_BYTES)


def digest_of(secret: str) -> str:
    """The SHA-256 of a secret, as hexadecimal text: what is stored of it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same_digest(one: str, other: str) -> bool:
    """Whether two digests are equal, compared in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
