"""What a refused request said to prove itself, kept so that it can be checked again and read by nobody.

Its credentials may be right (the secret in the file was the wrong one), so they are encrypted, with a key that is not in the
database: whoever reads a copy of it finds nothing to send again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.triggers.webhook.request import RawRequest

_KEY_BYTES = 32
_NONCE_BYTES = 12


class BrokenSeal(Exception):
    """It was sealed with another key, or changed since."""


class Seal:
    """Closes and opens the heads of requests."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, request: RawRequest) -> bytes:
        """Method, address and headers, encrypted. The body is not in it."""
        head = {
            "method": request.method,
            "url": request.url,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers],
        }
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, json.dumps(head).encode(), None)

    def open(self, sealed: bytes, body: bytes) -> RawRequest:
        """The request as it came. Raises BrokenSeal."""
        try:
            head = json.loads(self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None))
        except (InvalidTag, ValueError):
            raise BrokenSeal from None
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]]
        return RawRequest(head["method"], head["url"], headers, body)


def seal_of(path: Path) -> Seal:
    """The seal whose key is in a file of its own, made when there is none. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # Linked into place whole: two processes that begin together end up with one key.
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        if not path.exists():
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(_KEY_BYTES))
            os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink(missing_ok=True)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise OSError(f"{path} is not a key of {_KEY_BYTES} bytes; remove it, and a new one is made.")
    return Seal(key)
