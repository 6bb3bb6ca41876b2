"""What is said of calls beyond what is stored of them."""

from __future__ import annotations

import pytest

from hub.model.execution import Checkpoint, JobStatus, Status, as_seen


def _call(path: str, status: JobStatus) -> Checkpoint:
    return Checkpoint(path, path.rpartition("/")[2], status, "{}", "")


@pytest.mark.parametrize("below", [JobStatus.RUNNING, JobStatus.WAITING, JobStatus.SUSPEND])
def test_a_job_that_waits_for_its_own_call_is_suspended(below: JobStatus) -> None:
    shown = as_seen([_call("order", JobStatus.RUNNING), _call("order/customer", below)], None)

    assert [call.status for call in shown] == [JobStatus.SUSPEND, below]


def test_callers_are_suspended_all_the_way_up() -> None:
    calls = [_call("a", JobStatus.RUNNING), _call("a/b", JobStatus.RUNNING), _call("a/b/c", JobStatus.RUNNING)]

    assert [call.status.value for call in as_seen(calls, None)] == ["SUSPEND", "SUSPEND", "RUNNING"]


@pytest.mark.parametrize("below", [JobStatus.SUCCESS, JobStatus.FAILED])
def test_a_job_whose_calls_have_ended_runs(below: JobStatus) -> None:
    calls = (_call("order", JobStatus.RUNNING), _call("order/customer", below), _call("orders/x", JobStatus.RUNNING))

    assert as_seen(calls, None) == calls


def test_a_job_that_has_ended_stays_as_it_is_whatever_it_left_behind() -> None:
    calls = (_call("order", JobStatus.FAILED), _call("order/customer", JobStatus.RUNNING))

    assert as_seen(calls, None) == calls


@pytest.mark.parametrize(("ended", "kind"), [(Status.CANCELED, "ExecutionCanceled"), (Status.FAILED, "Interrupted")])
def test_what_was_under_way_when_the_execution_ended_has_failed(ended: Status, kind: str) -> None:
    calls = (
        _call("order", JobStatus.RUNNING),
        _call("order/a", JobStatus.SUCCESS),
        _call("order/b", JobStatus.WAITING),
    )

    shown = as_seen(calls, ended)

    assert [call.status.value for call in shown] == ["FAILED", "SUCCESS", "FAILED"]
    assert shown[1] is calls[1]
    assert kind in (shown[0].error or "")
