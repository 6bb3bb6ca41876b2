"""Several nodes on one PostgreSQL: one hub, of which any part may die."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_process import Hub, Zygote, until
from kill_books import Report
from node_loop import LEASE_SECONDS, NodeLoop, SharedProject

#: Set it to run a failed loop again.
SEED = int(os.environ.get("KILL_SEED") or random.SystemRandom().randrange(1 << 30))


@pytest.fixture
def shared(quick_path: Path, zygote: Zygote, postgres_url: str) -> SharedProject:
    """An empty project on an empty PostgreSQL database."""
    return SharedProject(quick_path, zygote, postgres_url)


def play(project: SharedProject, kills: int, lease: float = LEASE_SECONDS, **plant: object) -> Report:
    loop = NodeLoop(project, SEED, kills, plant, lease)
    report = loop.run(patience=120 + kills / 2)
    print(report, loop.beside)  # noqa: T201 - figures for whoever asks with -s or -rP
    return report


def check(report: Report) -> None:
    assert not report.wrong, f"KILL_SEED={SEED} repeats it: {report}"
    assert report.sent >= 0.95 * report.planned
    assert report.acknowledged >= 0.5 * report.planned
    assert report.rounds_with_answers >= 0.5 * report.rounds


def test_three_nodes_of_which_one_is_killed_four_times(shared: SharedProject) -> None:
    # A node that stands still for a third of its lease, right before a line of a job, leaves that line too late.
    check(play(shared, 4, lease=6))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_three_nodes_of_which_one_is_killed_two_hundred_times(shared: SharedProject) -> None:
    """`NODE_KILLS` sets another number."""
    report = play(shared, int(os.environ.get("NODE_KILLS", "200")))
    check(report)
    assert report.looks > 20, "histories of a few looks prove little"
    assert report.jobs_run_twice > 0, "kills that never hit a job prove nothing"


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("plant", "kills", "found"),
    [("epoch_goes_back", 20, (": an epoch of ",)), ("keys_overtake", 60, (" was under way", ", which came later"))],
)
def test_a_bug_planted_in_three_nodes_is_found(
    shared: SharedProject, plant: str, kills: int, found: tuple[str, ...]
) -> None:
    """By one of these sentences: which one depends on when the kills hit. Twenty have missed the second one once."""
    report = play(shared, kills, **{plant: True})
    assert any(words in sentence for words in found for sentence in report.wrong), report


STEPS = """
@job
async def step(input, ctx: Context):
    file = os.open("steps", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{os.getpid()} {input} {ctx.attempt}\\n".encode())
    os.close(file)
    await asyncio.sleep(0.05)
    return input

@job
async def climb(input, ctx: Context):
    return [await step.trigger(number) for number in range(input["steps"])]

climbing = workflow("climbing", climb)
"""


def steps(project: SharedProject) -> list[tuple[int, int]]:
    """(process, step) of each step that was begun, in order."""
    path = project.folder / "steps"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), int(number)) for pid, number, _ in map(str.split, lines)]


@contextlib.contextmanager
def nodes(project: SharedProject, count: int) -> Iterator[list[Hub]]:
    """So many nodes, ready; all of them are ended at the end."""
    hubs = [project.start() for _ in range(count)]
    try:
        for hub in hubs:
            hub.wait_ready()
        yield hubs
    finally:
        for hub in hubs:
            if hub.process.poll() is None:
                hub.kill()


def of_process(hubs: list[Hub], pid: int) -> Hub:
    return next(hub for hub in hubs if hub.process.pid == pid)


def begin(project: SharedProject, count: int) -> str:
    """An execution of so many steps, and its id."""
    started = project.run(
        "workflow", "start", "climbing", "-m", "workflow-bot", "-a", f'{{"steps": {count}}}', "--json"
    )
    return str(started.json["id"])


def test_a_frozen_node_is_taken_over_and_begins_nothing_when_it_wakes(shared: SharedProject) -> None:
    shared.lay_out(STEPS, lease=3)  # long enough that a busy machine lets nobody else lose it
    with nodes(shared, 2) as hubs:
        execution = begin(shared, 30)
        until(lambda: len(steps(shared)) > 5)
        frozen = of_process(hubs, steps(shared)[-1][0])
        frozen.process.send(signal.SIGSTOP)
        until(lambda: steps(shared)[-1][0] != frozen.process.pid, why="nobody takes it over")
        before = steps(shared)
        frozen.process.send(signal.SIGCONT)
        assert shared.ended(execution) == "SUCCESS"
        after = steps(shared)[len(before) :]
        late = [number for pid, number in after if pid == frozen.process.pid]
        assert len(late) <= 1, "only what it had checked before it was frozen"
        # The one that was under way may have run twice; what was stored has not.
        numbers = [number for _, number in steps(shared)]
        assert [number for number in range(30) if numbers.count(number) == 0] == []
        assert sum(numbers.count(number) > 1 for number in range(30)) <= 1
        until(lambda: len(shared.run("node", "list", "--json").json) == 2, why="it is no node any more")


HELD = """
from hub import Debounce, RateLimit

@job
async def stay(input, ctx: Context):
    note(ctx)
    if os.getpid() == input["dead"]:
        await asyncio.sleep(600)

@job
async def rest(input, ctx: Context):
    await ctx.step.sleep("rest", "1s")

one = ConcurrencyPolicy(max_concurrent_executions=1)
one_of_a_key = ConcurrencyPolicy(max_concurrent_executions=1, key="input.key")
alone = workflow("alone", stay, concurrency_policy=one)
keyed = workflow("keyed", stay, concurrency_policy=one_of_a_key)
paced = workflow("paced", stay, rate_limit=RateLimit(2, "1s"))
gathered = workflow("gathered", stay, debounce=Debounce("1s"))
sleeping = workflow("sleeping", rest)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_whatever_waits_for_a_dead_node_goes_on_after_its_lease(shared: SharedProject, end: signal.Signals) -> None:
    """Its share of limits, of keys and of rates, what it had accepted, and what was to wake there."""
    shared.lay_out(HELD, lease=2, hook={"trigger": {"webhook": {}}})
    with nodes(shared, 1) as hubs:
        dead = hubs[0]
        given = f'{{"dead": {dead.process.pid}, "key": "a"}}'
        for name in ("alone", "alone", "keyed", "keyed", "paced", "paced", "paced", "gathered", "sleeping"):
            assert shared.run("workflow", "start", name, "-m", "workflow-bot", "-a", given).code == 0
        held = "SELECT count(*) FROM executions WHERE status = 'RUNNING' AND workflow IN ('alone', 'keyed')"
        until(lambda: shared.store(held) == [(2,)])
        hook = shared.webhook_path("hook")
        hubs.append(shared.start())
        hubs[1].wait_ready()
        assert dead.post(hook, json={}).status_code == 202
        dead.process.send(end)
        stopped = time.monotonic()
        open_ones = "SELECT workflow, status FROM executions WHERE status <> 'SUCCESS'"
        until(lambda: not shared.store(open_ones), why="something waits for ever")
        print(f"all has ended {time.monotonic() - stopped:.2f} s after {end.name}")  # noqa: T201 - for -s or -rP
        until(lambda: shared.store("SELECT count(*) FROM executions") == [(10,)], why="an event was not dispatched")


def test_nodes_that_are_replaced_one_by_one_lose_nothing(shared: SharedProject) -> None:
    shared.lay_out(STEPS, lease=30)  # nobody waits for the end of one
    with nodes(shared, 2) as hubs:
        executions = [begin(shared, 60) for _ in range(3)]
        until(lambda: len(steps(shared)) > 10)
        for place in (0, 1):
            assert hubs[place].stop() == 0, hubs[place].log
            hubs[place] = shared.start()
            hubs[place].wait_ready()
        assert [shared.ended(execution) for execution in executions] == ["SUCCESS"] * 3
        numbers = [number for _, number in steps(shared)]
        assert len(numbers) <= 3 * 60 + 6, "what was stored does not run again"
        assert shared.store("SELECT max(crashes) FROM executions") == [(0,)], "to be stopped is no crash"


def test_nodes_are_listed_with_what_they_have_loaded(shared: SharedProject, quick_path: Path, zygote: Zygote) -> None:
    (quick_path / "elsewhere").mkdir()
    shared.lay_out(STEPS)
    elsewhere = SharedProject(quick_path / "elsewhere", zygote, shared.url)
    elsewhere.lay_out(STEPS, hook={"trigger": {"webhook": {}}})
    with nodes(shared, 1) as hubs, nodes(elsewhere, 1) as others:
        first, second = sorted(shared.run("node", "list", "--json").json, key=lambda node: node["started_at"])
        assert [first["address"], second["address"]] == [hubs[0].url, others[0].url]
        assert [first["pid"], second["pid"]] == [hubs[0].process.pid, others[0].process.pid]
        assert first["revision"] != second["revision"]
        said = f"node {second['id']}"
        assert said in shared.run("node", "list").err
        assert said in shared.run("check").err
        assert f"node {first['id']}" in elsewhere.run("check").err
        until(lambda: any(said in message for message in hubs[0].messages()), why="its log does not say so")
        (elsewhere.folder / "executors" / "hook.yaml").unlink()
        until(lambda: said not in shared.run("check").err, why="it has not taken in the changed file")
