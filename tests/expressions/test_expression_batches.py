"""Many at once, one bad among them, and processes that end: everybody else gets the right answer."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import uvloop
from kit import PATIENCE

from hub.expressions import Evaluator, Request, lane
from hub.expressions.process import CannotEvaluate, Child, Limits

HANG = "new Array(2 ** 32 - 1).join('')"


def numbered(scope, number, source="args.n * 2"):
    return Request(scope(args={"n": number}), None, {"it": "${{ " + source + " }}"})


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def ended(pid):
    """Gone, or waiting for a parent that reaps it, once its own is no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def pid_of(evaluator):
    return evaluator._trusted._child.pid


def test_answers_come_in_the_order_of_the_requests(desk, scope):
    results = desk.all([numbered(scope, number) for number in range(300)])
    assert [result.variables["it"] for result in results] == [number * 2 for number in range(300)]
    assert desk.all([]) == []


def test_large_scopes_pass_through_the_pipe_in_both_directions(desk, scope):
    blob = "ü" * 100_000
    requests = [Request(scope(args={"blob": blob}), None, "[args.blob]") for _ in range(12)]
    assert all(result.variables == [blob] for result in desk.all(requests))
    assert "larger than 16 MiB" in str(desk(None, "1", args={"blob": "x" * (17 << 20)}).error)


def test_the_culprits_of_a_batch_are_known_and_nobody_else_is_touched(desk_with, scope):
    desk = desk_with(deadline=0.15)
    sources = {7: HANG, 8: "(() => { for (;;); })()", 20: HANG + ".length", 31: "'x'.repeat(1e9)", 63: HANG}
    results = desk.all([numbered(scope, number, sources.get(number, "args.n * 2")) for number in range(64)])
    for number, result in enumerate(results):
        if number in sources:
            assert ("memory" if number == 31 else "took longer than 0.15 s") in str(result.error)
        else:
            assert result.variables == {"it": number * 2}


def test_an_expression_that_hung_delays_only_its_like_afterwards(desk_with, scope):
    desk = desk_with(deadline=0.4)
    assert desk.value("1") == 1
    assert desk(None, HANG).error is not None

    async def race():
        bad = asyncio.ensure_future(desk.evaluator.evaluate([Request(scope(), None, HANG)] * 2))
        await asyncio.sleep(0)
        good = await desk.evaluator.evaluate([numbered(scope, 1)])
        waiting = not bad.done()
        return good, waiting, await bad

    assert desk.value("1") == 1
    good, waiting, bad = desk.runner.run(race())
    assert good[0].variables == {"it": 2}
    assert waiting
    assert all("took longer" in str(result.error) for result in bad)


def test_calls_side_by_side_share_the_process(desk, scope):
    async def several():
        calls = [desk.evaluator.evaluate([numbered(scope, n), numbered(scope, n + 1)]) for n in range(20)]
        return await asyncio.gather(*calls)

    for n, (first, second) in enumerate(desk.runner.run(several())):
        assert (first.variables["it"], second.variables["it"]) == (n * 2, n * 2 + 2)


def test_a_call_that_is_cancelled_leaves_the_others_alone(desk, scope):
    async def cancelling():
        doomed = asyncio.ensure_future(desk.evaluator.evaluate([numbered(scope, n) for n in range(50)]))
        await asyncio.sleep(0)
        kept = asyncio.ensure_future(desk.evaluator.evaluate([numbered(scope, 5)]))
        await asyncio.sleep(0)
        doomed.cancel()
        return await kept

    assert desk.runner.run(cancelling())[0].variables == {"it": 10}


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_one_evaluator_serves_one_loop_after_another(run, scope):
    evaluator = Evaluator(deadline=0.3)
    evaluator.start()
    pid = pid_of(evaluator)
    for number in range(3):
        assert run(evaluator.evaluate([numbered(scope, number)]))[0].variables == {"it": number * 2}
    assert pid_of(evaluator) == pid
    assert "took longer" in str(run(evaluator.evaluate([numbered(scope, 1, HANG)]))[0].error)
    assert gone(pid)
    assert run(evaluator.evaluate([numbered(scope, 4)]))[0].variables == {"it": 8}
    pid = pid_of(evaluator)
    run(evaluator.close())
    assert gone(pid)
    assert run(evaluator.evaluate([numbered(scope, 4)]))[0].variables == {"it": 8}
    run(evaluator.close())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_loop_that_ended_in_the_middle_leaves_nothing_to_the_next(run, scope):
    evaluator = Evaluator()

    async def abandon():
        call = asyncio.ensure_future(evaluator.evaluate([numbered(scope, 1, HANG)]))
        await asyncio.sleep(0.05)
        call.cancel()

    run(abandon())
    assert run(evaluator.evaluate([numbered(scope, 3)]))[0].variables == {"it": 6}
    run(evaluator.close())


def test_a_process_that_was_ended_from_outside_is_not_held_against_a_request(desk_with, scope):
    desk = desk_with()
    assert desk.value("1") == 1
    os.kill(pid_of(desk.evaluator), signal.SIGKILL)
    results = desk.all([numbered(scope, number) for number in range(5)])
    assert [result.variables["it"] for result in results] == [0, 2, 4, 6, 8]


def test_a_request_that_ends_the_process_twice_is_told_so(desk_with, scope, monkeypatch):
    desk = desk_with(deadline=5.0)
    assert desk.value("1") == 1

    class Fragile(Child):
        """Ends over the word, as an engine with a fault would."""

        given = b""

        def write(self, data):
            self.given += bytes(data)
            return super().write(data)

        def read(self):
            if self.ready and b"murder" in self.given:
                os.kill(self.pid, signal.SIGKILL)
                return False
            if not self.ready:
                self._buffer += os.read(self.reading, len(b"6\n=ready"))
                return True
            return super().read()

    monkeypatch.setattr(lane, "Child", Fragile)
    desk.runner.run(desk.evaluator.close())
    results = desk.all([numbered(scope, 1, "args.n * 2 // murder\n"), numbered(scope, 2)])
    assert "brought down the process" in str(results[0].error)
    assert results[1].variables == {"it": 4}


def test_a_starved_process_is_given_longer(desk_with):
    desk = desk_with(deadline=0.5)
    assert desk.value("1") == 1
    pid = pid_of(desk.evaluator)
    os.kill(pid, signal.SIGSTOP)
    waker = threading.Timer(0.7, os.kill, (pid, signal.SIGCONT))
    waker.start()
    assert desk.value("1 + 1") == 2
    assert pid_of(desk.evaluator) == pid
    waker.join()


def test_but_not_for_ever(desk_with):
    desk = desk_with(deadline=0.1)
    assert desk.value("1") == 1
    pid = pid_of(desk.evaluator)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    assert "took longer" in str(desk(None, "1 + 1").error)
    assert time.monotonic() - began > 0.45
    assert gone(pid)


def test_a_process_that_does_not_start_is_no_fault_of_an_expression(desk_with, monkeypatch, scope):
    monkeypatch.setattr("hub.expressions.process._engine_folder", lambda: "/nonexistent")
    desk = desk_with()
    with pytest.raises(CannotEvaluate, match="quickjs-ng") as caught:
        desk.all([numbered(scope, 1), numbered(scope, 2)])
    assert caught.value.retryable
    monkeypatch.undo()
    assert desk.value("1") == 1
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(CannotEvaluate):
        Child(Limits())


def test_words_that_nobody_asked_for_end_the_process(desk_with, monkeypatch, scope):
    class Talkative(Child):
        spoken = False

        def read(self):
            going_on = super().read()
            if self.ready and not Talkative.spoken:
                Talkative.spoken = True
                self._buffer += b"12\n=[1,2,3]and more of it"
            return going_on

    monkeypatch.setattr(lane, "Child", Talkative)
    desk = desk_with(deadline=0.5)
    results = [desk.all([numbered(scope, number)])[0] for number in range(3)]
    assert Talkative.spoken
    assert (
        sum(result.error is None and result.variables == {"it": number * 2} for number, result in enumerate(results))
        >= 2
    )


def test_an_idle_process_is_replaced_after_many_answers(desk_with, monkeypatch, scope):
    monkeypatch.setattr(lane, "_MOST_ANSWERS", 10)
    desk = desk_with()
    desk.all([numbered(scope, 1)] * 9)
    pid = pid_of(desk.evaluator)
    desk.all([numbered(scope, 1)] * 2)
    assert gone(pid)
    assert desk.value("1") == 1


def test_forgetting_the_evaluator_ends_its_process(scope):
    evaluator = Evaluator()
    asyncio.run(evaluator.evaluate([numbered(scope, 1)]))
    pid = pid_of(evaluator)
    del evaluator
    gc.collect()
    assert gone(pid)


SCRIPT = """
import asyncio, os, sys
from hub.expressions import Evaluator, Request, Scope, check_expression
evaluator = Evaluator(deadline=0.3)
scope = Scope({}, {}, {}, 1, "s")
ask = lambda source: asyncio.run(evaluator.evaluate([Request(scope, None, source)]))
assert ask("[1]")[0].variables == [1]
assert check_expression("1") is None
print(evaluator._trusted._child.pid, flush=True)
"""
LEAVING_IT_BUSY = """
async def leave():
    request = Request(scope, None, "new Array(2 ** 32 - 1).join('')")
    busy = asyncio.ensure_future(evaluator.evaluate([request]))
    await asyncio.sleep(0.05)
    os._exit(4)
asyncio.run(leave())
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [("", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", -9), (LEAVING_IT_BUSY, 4)],
)
def test_the_process_does_not_outlive_the_hub(end, code):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT + end], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (code, "")
    until = time.monotonic() + PATIENCE
    while not ended(int(run.stdout)) and time.monotonic() < until:
        time.sleep(0.01)
    assert ended(int(run.stdout))
