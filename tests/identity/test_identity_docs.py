"""The page about identity knows every action, and only those that there are."""

from __future__ import annotations

import re
from pathlib import Path

from hub.identity.throttle import ABOUT_NAME, FROM_ADDRESS
from hub.identity.tokens import LIFETIME
from hub.model.actions import ACTIONS
from hub.model.hiding import SHORTEST

PAGE = (Path(__file__).parents[2] / "docs/identity.md").read_text(encoding="utf-8")


def test_every_action_is_explained() -> None:
    (table,) = re.findall(r"\| action \|.*?\n\n", PAGE, re.DOTALL)
    named = set(re.findall(r"`([a-z-]+:[a-z-]+)`", table))
    assert named == set(ACTIONS)


def test_its_numbers_are_those_of_the_code() -> None:
    assert (ABOUT_NAME, FROM_ADDRESS, LIFETIME, SHORTEST) == (20, 100, 3_600, 8)
    for words in ("twenty wrong tries", "a hundred from one address", "good for an hour", "eight characters"):
        assert words in PAGE
