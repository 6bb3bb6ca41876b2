"""What is wired round the intake: careful fetches, proxies from the config, and dispatch that steps back in a flood."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kit import FakeClock

from hub.assembly.fetching import Fetching
from hub.assembly.yielding import Yielding
from hub.declare.config import load_config
from hub.model.errors import BadInput
from hub.triggers.webhook.request import Wanted


@pytest.mark.parametrize("url", ["https://127.0.0.1/cert.pem", "http://example.com/", "https://localhost/keys"])
def test_documents_are_fetched_from_the_internet_alone(url: str) -> None:
    async def story() -> None:
        fetching = Fetching(None)
        with pytest.raises(BadInput):
            await fetching.document(Wanted(url))
        with pytest.raises(BadInput):
            await fetching.confirm(url)
        await fetching.close()

    asyncio.run(story())


def test_dispatch_rests_only_in_a_flood() -> None:
    clock, taken = FakeClock(), [0]
    rest = Yielding(lambda: taken[0], clock)
    clock.advance(1)
    taken[0] += 300
    assert rest(0.1) == 0, "three hundred a second are no flood"
    clock.advance(1)
    taken[0] += 2_000
    assert rest(0.1) == pytest.approx(0.2)
    clock.advance(1)
    taken[0] += 8_000
    assert rest(0.1) == pytest.approx(0.8), "the harder the flood, the longer"
    clock.advance(1)
    taken[0] += 2_000
    assert rest(60.0) <= 1.0, "what was accepted begins all the same"
    clock.advance(1)
    assert rest(0.1) == 0


def test_proxies_are_named_in_the_config(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "hub.yaml"
    file.write_text("server: {trusted_proxies: [10.0.0.0/8, 192.0.2.1]}\n")
    config, problems = load_config(tmp_path)
    assert problems == []
    assert config is not None
    assert config.server.trusted_proxies == ("10.0.0.0/8", "192.0.2.1")
    file.write_text("server: {trusted_proxies: [10.0.0.1/8]}\n")
    _, problems = load_config(tmp_path)
    assert [str(problem.position) for problem in problems] == ["config/hub.yaml:1:28"]
