"""Forms are taken from this console's own pages, of the session that they were made for."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from hub.console.proof import form_proof, from_here, holds

HUB = "http://127.0.0.1:8700"


def test_a_proof_is_of_one_session() -> None:
    assert holds("secret-a", form_proof("secret-a"))
    assert not holds("secret-b", form_proof("secret-a"))
    assert not holds("", form_proof(""))
    assert not holds("secret-a", "")
    assert not holds("secret-a", "ä")
    assert "secret-a" not in form_proof("secret-a")


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"origin": HUB}, True),
        ({"origin": "http://hub.lan:8700", "host": "hub.lan:8700"}, True),
        ({"origin": "https://evil.example", "host": "127.0.0.1:8700"}, False),
        ({"origin": "http://127.0.0.1:8701", "host": "127.0.0.1:8700"}, False),
        ({"origin": "null", "host": "127.0.0.1:8700"}, False),
        ({"origin": "null", "host": "127.0.0.1:8700", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "null", "host": "127.0.0.1:8700", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://evil.example", "host": "127.0.0.1:8700", "sec-fetch-site": "same-origin"}, False),
        ({"origin": "file://", "host": ""}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({}, False),
    ],
)
def test_where_a_form_comes_from(headers: dict[str, str], taken: bool) -> None:
    assert from_here(Headers(headers), HUB) is taken
