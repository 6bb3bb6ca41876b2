"""Numbers of things in sentences."""

from __future__ import annotations

import pytest

from hub.model.counted import counted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (counted(0, "workflow"), "0 workflows"),
        (counted(1, "workflow"), "1 workflow"),
        (counted(2, "workflow"), "2 workflows"),
        (counted(1, "delivery"), "1 delivery"),
        (counted(2, "delivery"), "2 deliveries"),
        (counted(2, "key"), "2 keys"),
        (counted(1, "execution goes on", "executions go on"), "1 execution goes on"),
        (counted(12_345, "execution goes on", "executions go on"), "12,345 executions go on"),
    ],
)
def test_what_is_counted_agrees_with_its_number(said: str, wanted: str) -> None:
    assert said == wanted
