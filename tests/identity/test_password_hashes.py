from __future__ import annotations

import asyncio
import re
import time

import pytest

from hub.identity.opaque import INVITATION, MACHINE_USER, SESSION, digest_of, new_secret
from hub.identity.passwords import hash_password, is_password
from hub.model.errors import BadInput


def test_a_password_is_stored_as_scrypt_with_a_salt_of_its_own() -> None:
    async def story() -> None:
        one, other = [await hash_password("correct horse battery") for _ in range(2)]
        assert one != other
        assert one.startswith("scrypt$15$8$1$")
        assert await is_password("correct horse battery", one)
        assert not await is_password("correct horse batterY", one)
        assert not await is_password("", one)
        assert not await is_password("x" * 10_000, one)
        assert await is_password("\ud800 and eleven more", await hash_password("\ud800 and eleven more"))

    asyncio.run(story())


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 1_001])
def test_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(BadInput, match="at least 12"):
        asyncio.run(hash_password(password))


def test_nobody_takes_as_long_as_somebody() -> None:
    async def took(stored: str | None) -> float:
        times = []
        for _ in range(5):
            begun = time.process_time()
            assert not await is_password("correct horse", stored)
            times.append(time.process_time() - begun)
        return min(times)

    async def story() -> None:
        somebody, nobody = await took(await hash_password("correct horse battery")), await took(None)
        assert 0.5 < nobody / somebody < 2

    asyncio.run(story())


def test_secrets_are_long_recognisable_and_never_the_same() -> None:
    for prefix in (MACHINE_USER, SESSION, INVITATION):
        made = {new_secret(prefix) for _ in range(1_000)}
        assert len(made) == 1_000
        assert all(re.fullmatch(r"hub(mu|se|in)_[A-Za-z0-9_-]{43}", one) for one in made), "as docs/identity.md has it"
        assert all(one not in digest_of(one) for one in made)
