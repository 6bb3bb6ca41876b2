"""A real browser on a real hub: Chromium, driven by Playwright, with everything noted that must not happen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub_process import Hub, until
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
PASSWORD = "a sentence is easy to remember"
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Milliseconds that anything on a page may take.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)

_WITNESS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


class Watched:
    """What pages did that they must not do."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("dialog", lambda dialog: (self.found.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.found.append(f"error on {page.url}: {error}"))
        page.on("console", lambda line: self.found.append(f"{page.url}: {line.text}") if self._bad(line.text) else None)
        page.add_init_script(_WITNESS)

    def look(self, page: Page) -> None:
        """Collect what the page itself has noted."""
        self.found += [f"{page.url}: {one}" for one in page.evaluate("window.violations")]

    @staticmethod
    def _bad(text: str) -> bool:
        return "Content Security Policy" in text or "TrustedHTML" in text or "Refused to" in text


@contextmanager
def browser() -> Iterator[Browser]:
    """Ends with the block."""
    assert shutil.which(CHROMIUM) or Path(CHROMIUM).exists(), (
        f"these stories are played in a real browser, and there is no {CHROMIUM}: apt-get install chromium"
    )
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS, timeout=PATIENCE)
        try:
            yield made
        finally:
            made.close()


def claim(hub: Hub, page: Page) -> None:
    """Open the address that the hub printed, and become its first admin."""
    (address,) = until(lambda: re.findall(r"http://\S+/console/claim/[\w-]+", hub.out))
    page.goto(address)
    page.get_by_label("Your name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Claim it").click()
    page.wait_for_url(f"{hub.url}/console")


@contextmanager
def at_the_console(hub: Hub, **how: object) -> Iterator[tuple[Page, Watched]]:
    """A page that is signed in. At the end nothing may have happened that must not."""
    with browser() as made:
        context = made.new_context(base_url=hub.url, viewport={"width": 1280, "height": 800}, **how)  # type: ignore[arg-type]  # as Playwright has it
        context.set_default_timeout(PATIENCE)
        page, watched = context.new_page(), Watched()
        watched.watch(page)
        claim(hub, page)
        yield page, watched
        watched.look(page)
        assert watched.found == []


@contextmanager
def sign_in(hub: Hub) -> Iterator[Page]:
    """A page of whoever claimed the hub before it was started again."""
    with browser() as made:
        context = made.new_context(base_url=hub.url)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto("/console/sign-in")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{hub.url}/console")
        yield page
