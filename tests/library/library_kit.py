"""What the tests of the library share: a thing that is asked about, and ways to play and to wait."""

from __future__ import annotations

import asyncio

from kit import PATIENCE
from pydantic import BaseModel


class Person(BaseModel):
    name: str


def play(client, story):
    async def whole():
        async with client, asyncio.timeout(PATIENCE):
            return await story()

    return asyncio.run(whole())


async def asked_by(client):
    """What is asked, as soon as something is."""
    while True:
        if found := await client.wait_points():
            return found
        await asyncio.sleep(0.002)
