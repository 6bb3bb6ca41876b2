"""Replay decides from the history alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.engine.replay import GiveBack, Perform, RaiseAgain, decide
from hub.engine.scope import Scope
from hub.model.errors import ArgumentHashMismatch
from hub.model.execution import Checkpoint, JobStatus
from hub.model.values import canonical, digest


def call(args: str = "1", **how) -> Checkpoint:
    return Checkpoint("main/fetch", "fetch", how.pop("status", JobStatus.RUNNING), args, digest(args), **how)


stored = st.builds(
    call,
    args=st.sampled_from(["1", "2"]),
    status=st.sampled_from([JobStatus.RUNNING, JobStatus.SUCCESS, JobStatus.FAILED]),
    attempts=st.integers(1, 20),
    handled=st.booleans(),
    epoch=st.integers(-1, 5),
).map(
    lambda made: made._replace(
        result="7" if made.status is JobStatus.SUCCESS else None,
        error="{}" if made.status is JobStatus.FAILED else None,
    )
)


def test_nothing_stored_is_performed_for_the_first_time():
    assert decide(None, call(), base_epoch=3) == Perform(0)


@given(stored, st.integers(0, 5))
def test_what_is_final_is_never_performed_and_never_met_with_other_arguments(found, base_epoch):
    final = found.status is JobStatus.SUCCESS or (
        found.status is JobStatus.FAILED and (found.handled or found.epoch >= base_epoch)
    )
    same = decide(found, call(found.args), base_epoch=base_epoch)
    if found.status is JobStatus.SUCCESS:
        assert same == GiveBack("7")
    elif final:
        assert same == RaiseAgain("{}")
    else:
        assert same == Perform(found.attempts)
    other = call("3")
    if final or found.status is JobStatus.RUNNING:
        with pytest.raises(ArgumentHashMismatch, match=r'job "fetch" \(call main/fetch\).*arguments [12].*with 3'):
            decide(found, other, base_epoch=base_epoch)
    else:
        assert decide(found, other, base_epoch=base_epoch) == Perform(found.attempts)


def test_another_job_at_the_same_place_is_another_call():
    with pytest.raises(ArgumentHashMismatch):
        decide(call()._replace(status=JobStatus.SUCCESS, result="1"), call()._replace(name="send"), base_epoch=1)


def test_long_arguments_are_cut_in_the_message():
    with pytest.raises(ArgumentHashMismatch) as caught:
        decide(call(f'"{"x" * 9000}"')._replace(status=JobStatus.SUCCESS, result="1"), call(), base_epoch=1)
    assert len(str(caught.value)) < 1000


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=6))
def test_the_order_of_keys_does_not_change_arguments(value):
    turned = dict(reversed(value.items()))
    assert digest(canonical(value)) == digest(canonical(turned))


@given(st.lists(st.sampled_from(["a", "b", "~branch"]), max_size=30))
def test_paths_in_a_scope_are_unique_and_the_same_each_time(names):
    first, second = Scope(None, "main"), Scope(None, "main")
    paths = [first.next_path(name) for name in names]
    assert len(set(paths)) == len(paths)
    assert paths == [second.next_path(name) for name in names]
