"""docs/webhooks.md says what the presets are, and its examples load."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from webhook_kit import executor, secret_of

from hub.triggers.webhook.building import build
from hub.triggers.webhook.describe import describe_presets, example, example_response
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.presets import preset_names

DOCS = Path(__file__).parents[3] / "docs"
#: A public key that a preset wants, where any bytes will not do.
SENDGRID = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="


def load(name: str) -> Any:
    """A preset's example as an endpoint, its secrets filled in."""

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        if isinstance(value, str) and "${" in value:
            return {"sendgrid": SENDGRID, "telnyx": "A" * 43 + "="}.get(name) or secret_of(name)
        return value

    written = executor(example(name), response=example_response(name))
    return build(written, fill, public_url="https://hub.example.com")


@pytest.mark.parametrize("name", sorted(preset_names()))
def test_every_example_loads(name: str) -> None:
    assert isinstance(load(name), Endpoint), load(name)


def test_the_page_is_what_the_presets_say() -> None:
    spec = importlib.util.spec_from_file_location("make_webhooks", DOCS / "make_webhooks.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert (DOCS / "webhooks.md").read_text() == made.page(), "write it anew: python docs/make_webhooks.py"


def test_every_preset_has_a_row_and_an_example() -> None:
    page = (DOCS / "webhooks.md").read_text()
    assert set(re.findall(r"^### ([a-z0-9-]+)$", page, re.MULTILINE)) == preset_names()
    assert len(describe_presets().splitlines()) == len(preset_names()) + 2


def test_all_senders_that_are_promised_are_there() -> None:
    promised = (DOCS.parent / "tests/triggers/webhook/promised_senders.txt").read_text().split()
    assert len(promised) > 50
    assert set(promised) <= preset_names()
