"""Passwords of people: scrypt, which takes time and memory on purpose."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from concurrent.futures import ThreadPoolExecutor

from hub.model.errors import BadInput

SHORTEST_PASSWORD = 12
_LONGEST = 1_000

#: n = 2^15, r = 8, p = 1: OWASP's choice for 32 MiB a guess; a tenth of a second.
_COST, _BLOCK, _LANES = 15, 8, 1
_MEMORY = 128 * 1024 * 1024
_SALT_BYTES, _HASH_BYTES = 16, 32

#: Each takes 32 MiB: a crowd at the door must take neither all of the memory nor all of the processors.
_POOL = ThreadPoolExecutor(2, thread_name_prefix="hub-passwords")


async def hash_password(password: str) -> str:
    """What is stored of it: "scrypt$COST$BLOCK$LANES$SALT$HASH". Raises BadInput for one that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST:
        raise BadInput(f"a password has at least {SHORTEST_PASSWORD} characters; a sentence is easy to remember.")
    salt = os.urandom(_SALT_BYTES)
    made = await _scrypt(password, salt, _COST, _BLOCK, _LANES)
    return "$".join(["scrypt", str(_COST), str(_BLOCK), str(_LANES), _text(salt), _text(made)])


async def is_password(password: str, stored: str | None) -> bool:
    """Whether it is the one that was hashed; for None, nobody's hash, it takes just as long to say no."""
    if len(password) > _LONGEST:
        return False
    _, cost, block, lanes, salt, wanted = (stored or _NOBODY).split("$")
    made = await _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(made, base64.b64decode(wanted)) and stored is not None


async def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    def work() -> bytes:
        raw = password.encode("utf-8", "surrogatepass")
        return hashlib.scrypt(raw, salt=salt, n=1 << cost, r=block, p=lanes, maxmem=_MEMORY, dklen=_HASH_BYTES)

    return await asyncio.get_running_loop().run_in_executor(_POOL, work)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


_NOBODY = "$".join(
    ["scrypt", str(_COST), str(_BLOCK), str(_LANES), _text(bytes(_SALT_BYTES)), _text(bytes(_HASH_BYTES))]
)
