"""What comes together is let in as what comes one by one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from kit import FakeClock
from webhook_kit import endpoint

from hub.triggers.webhook.gate import Gate, Gates

ENDPOINT = endpoint(None)

steps = st.lists(
    st.tuples(st.booleans(), st.integers(1, 20), st.sampled_from([0, 0, 0.01, 0.5, 3.0, 61.0])), max_size=30
)


@given(steps=steps, rate=st.none() | st.integers(1, 90), own=st.integers(1, 25), of_all=st.integers(1, 40))
def test_as_many_come_in_together_as_one_by_one(
    steps: list[tuple[bool, int, float]], rate: int | None, own: int, of_all: int
) -> None:
    """Two sources come to two doors, in the same order: in at each step, and some leave."""
    clock = FakeClock()
    sources = [replace(ENDPOINT, name=name, rate=rate, concurrency=own) for name in ("a", "b")]
    together, singly = Gates(clock, of_all), Gates(clock, of_all)
    inside: list[tuple[Gate, Gate]] = []
    for second, count, seconds in steps:
        clock.advance(seconds)
        source = sources[second]
        gate, admitted = together.enter_together(source, count)
        alone = [found for found in (singly.enter(source) for _ in range(count)) if isinstance(found, Gate)]
        assert len(alone) == admitted
        inside += [(gate, other) for other in alone]
        leaving, inside = inside[: count // 2], inside[count // 2 :]
        for of_together, of_singly in leaving:
            together.leave(of_together)
            singly.leave(of_singly)
        assert (together.inside, together.taken) == (singly.inside, singly.taken)


def test_who_came_together_leaves_together() -> None:
    gates = Gates(FakeClock(), 100)
    gate, admitted = gates.enter_together(ENDPOINT, 7)
    gates.leave(gate, admitted)
    assert (admitted, gates.inside, gate.inside) == (7, 0, 0)
