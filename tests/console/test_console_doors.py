"""The doors: claiming a hub, signing in and out, inviting somebody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from console_site import HUB, Site, words

from hub.assembly.files import read_files
from hub.assembly.parts import open_parts, operator
from hub.console.proof import FIELD

PASSWORD = "a sentence is easy to remember"


class Browser:
    """Keeps cookies, and sends forms as the page has them."""

    def __init__(self, site: Site) -> None:
        self.http = httpx.AsyncClient(transport=site._http._transport, base_url=HUB, headers={"origin": HUB})

    async def fill_in(self, page: httpx.Response, action: str, **fields: str) -> httpx.Response:
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page.text, re.DOTALL)
        assert form is not None, f"there is no form for {action}"
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form[0]))
        return await self.http.post(action, data=hidden | fields)

    async def is_in(self) -> bool:
        return (await self.http.get("/console")).status_code == 200


def tell(root: Path, story: Callable[[Site, str], Awaitable[None]]) -> None:
    """Play a story on a hub that nobody has claimed, with the secret of its one-time address."""

    async def whole() -> None:
        parts = await open_parts(read_files(root, {}))
        try:
            claim = await parts.client.acting_as(operator()).invite_first()
            assert claim is not None
            await story(Site(parts), claim)
        finally:
            await parts.close()

    asyncio.run(whole())


def test_a_hub_is_claimed_once_and_signed_in_to_ever_after(site_root: Path) -> None:
    async def story(site: Site, claim: str) -> None:
        ada, address = Browser(site), f"/console/claim/{claim}"
        assert not await ada.is_in()
        assert "Nobody has claimed this hub yet" in words(await ada.http.get("/console/sign-in"))
        page = await ada.http.get(address)
        short = await ada.fill_in(page, address, name="ada", password="short")
        assert (short.status_code, "at least 12 characters" in words(short)) == (422, True)
        claimed = await ada.fill_in(short, address, name="ada", password=PASSWORD)
        assert (claimed.status_code, claimed.headers["location"]) == (303, "/console")
        assert await ada.is_in()
        again = Browser(site)
        twice = await again.fill_in(await again.http.get(address), address, name="eve", password=PASSWORD)
        assert twice.status_code == 401
        assert "has been used or is too old" in words(twice)
        assert not await again.is_in()

        first = ada.http.cookies["hub-session"]
        await ada.fill_in(await ada.http.get("/console"), "/console/sign-out")
        assert not await ada.is_in()
        stale = Browser(site)
        stale.http.cookies.set("hub-session", first, domain="127.0.0.1")
        assert not await stale.is_in(), "the session has ended, not only its cookie"

        door = await ada.http.get("/console/sign-in?next=/console/audit")
        wrong = await ada.fill_in(door, "/console/sign-in", name="ada", password="not this one, I think")
        assert (wrong.status_code, "name or password is wrong" in words(wrong)) == (401, True)
        right = await ada.fill_in(wrong, "/console/sign-in", name="ada", password=PASSWORD)
        assert (right.status_code, right.headers["location"]) == (303, "/console/audit")
        assert await ada.is_in()
        assert ada.http.cookies["hub-session"] != first

    tell(site_root, story)


def test_somebody_is_invited_and_comes_in_with_their_role(site_root: Path) -> None:
    async def story(site: Site, claim: str) -> None:
        ada, vera = Browser(site), Browser(site)
        address = f"/console/claim/{claim}"
        await ada.fill_in(await ada.http.get(address), address, name="ada", password=PASSWORD)
        people = await ada.http.get("/console/people")
        invited = await ada.fill_in(people, "/console/people/invite", name="vera", role="viewer")
        (there,) = set(re.findall(rf"{HUB}(/console/claim/[\w-]+)", invited.text))
        assert there not in (await ada.http.get("/console/people")).text, "it is shown once"
        welcome = await vera.http.get(there)
        assert "You were invited" in words(welcome)
        await vera.fill_in(welcome, there, password=PASSWORD)
        assert await vera.is_in()
        assert (await vera.http.get("/console/people")).status_code == 403
        assert "Pause" not in words(await vera.http.get("/console/executors/hook"))
        refused = await vera.http.post("/console/executors/hook/pause", data={FIELD: "x"})
        assert refused.status_code == 403
        await ada.fill_in(await ada.http.get("/console/people"), "/console/people/role", name="vera", role="operator")
        assert "Pause" in words(await vera.http.get("/console/executors/hook")), "rights are those of now"
        await ada.fill_in(await ada.http.get("/console/people"), "/console/people/remove", name="vera")
        assert not await vera.is_in()
        last = await ada.fill_in(
            await ada.http.get("/console/people"), "/console/people/role", name="ada", role="viewer"
        )
        assert (last.status_code, "is the only admin" in words(last)) == (409, True)

    tell(site_root, story)


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/console/../x", "/console\\@evil", ""]
)
def test_signing_in_goes_nowhere_else(site_root: Path, elsewhere: str) -> None:
    async def story(site: Site, claim: str) -> None:
        ada, address = Browser(site), f"/console/claim/{claim}"
        await ada.fill_in(await ada.http.get(address), address, name="ada", password=PASSWORD)
        eve = Browser(site)
        door = await eve.http.get("/console/sign-in")
        answer = await eve.fill_in(door, "/console/sign-in", name="ada", password=PASSWORD, next=elsewhere)
        assert answer.headers["location"] == "/console"

    tell(site_root, story)
