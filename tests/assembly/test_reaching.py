"""What addresses begin with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kit import FakeClock

from hub.assembly.reaching import Reached, listening
from hub.declare.config import Server
from hub.model.node import Node, address_of
from hub.store import open_store
from hub.store.nodes import About


def _node(address: str, host: str = "here", started_at: int = 0, *, alive: bool = True) -> Node:
    return Node(address, host, 1, started_at, 0, "", address, alive=alive)


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([], None),
        ([_node("http://a:1", alive=False), _node("")], None),
        ([_node("http://a:1", "elsewhere", 9)], "http://a:1"),
        ([_node("http://a:1", "elsewhere", 9), _node("http://b:1"), _node("http://c:1", alive=False)], "http://b:1"),
        ([_node("http://a:1", started_at=2), _node("http://b:1", started_at=3), _node("http://c:1")], "http://b:1"),
    ],
)
def test_a_living_node_on_this_machine_comes_first_and_of_these_the_latest(
    nodes: list[Node], found: str | None
) -> None:
    assert listening(nodes, "here") == found


def test_what_the_configuration_says_comes_before_what_is_listened_on(quick_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = open_store(f"sqlite:///{quick_path}/hub.db", clock)
        try:
            plain = Reached(Server(host="::1", port=9), store)
            assert await plain() == plain.here == "http://[::1]:9"

            await store.beat("one", About("elsewhere", 1, address=address_of("127.0.0.1", 4711)), 15_000)
            assert await plain() == "http://127.0.0.1:4711"
            assert await Reached(Server(public_url="https://hub.example.com"), store)() == "https://hub.example.com"

            serving = Reached(Server(), store)
            serving.own = "http://127.0.0.1:4712"
            assert await serving() == serving.here == "http://127.0.0.1:4712"

            clock.advance(16)
            assert await plain() == "http://[::1]:9"
        finally:
            await store.close()

    asyncio.run(story())
