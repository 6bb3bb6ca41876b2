"""What tests of the store share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_proxy import Proxy


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    made = Proxy(postgres_url)
    yield made
    made.close()
