"""Which executions run, how many of them at once, and when a worker that serves looks."""

from __future__ import annotations

import asyncio

import pytest
from kit import PATIENCE, Bench, until

from hub import ConcurrencyPolicy, job, workflow
from hub.model.execution import Status
from hub.model.values import canonical


@pytest.mark.parametrize("key", [None, "input.customer"])
def test_never_more_at_once_than_allowed_and_all_come_to_their_end(tell, key):
    now: dict = {}
    most: dict = {}

    @job(name="main-job")
    async def main(input: dict) -> None:
        who = input["customer"] if key else "all"
        now[who] = now.get(who, 0) + 1
        most[who] = max(most.get(who, 0), now[who])
        await until(lambda: most[who] > 1)
        await asyncio.sleep(0.001)
        now[who] -= 1

    async def story(bench: Bench) -> None:
        for number in range(12):
            await bench.start("limited", {"customer": f"c{number % 3}"})
        await bench.work()
        assert await bench.store.count_by_status() == {"SUCCESS": 12}
        assert most == ({"c0": 2, "c1": 2, "c2": 2} if key else {"all": 2})

    tell(story, workflow("limited", main, concurrency_policy=ConcurrencyPolicy(2, key=key)))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("input.items[0].id", '"a"'),
        ("input.items.0.id", '"a"'),
        ("input.items[1].id[0]", "5"),
        ("input.items[2].id", "null"),
        ("input.items.id", "null"),
        ("input.items", None),
        ("input.a b.0", "true"),
        ("input.none.at.all", "null"),
    ],
)
def test_a_key_is_what_stands_at_its_path(tell, path, found):
    @job(name="main-job")
    async def main(input: dict) -> None: ...

    async def story(bench: Bench) -> None:
        given = {"items": [{"id": "a"}, {"id": [5]}], "a b": {"0": True}}
        record = await bench.run("keyed", given)
        assert record.concurrency_key == (canonical(given["items"]) if found is None else found)

    policy = ConcurrencyPolicy(1, key=path)
    tell(story, workflow("keyed", main, concurrency_policy=policy))


def test_a_long_queue_does_not_starve_another_workflow(tell):
    order = []

    @job
    async def one() -> None:
        order.append("one")

    @job
    async def two() -> None:
        order.append("two")

    async def story(bench: Bench) -> None:
        bench.worker._slots = 1
        for _ in range(6):
            await bench.start("aaa")
        await bench.start("zzz")
        await bench.work()
        assert order.index("two") <= 2

    tell(story, workflow("aaa", one), workflow("zzz", two))


def test_serving_wakes_when_something_is_started_and_ends_when_told(store_url):
    @job(name="main-job")
    async def main() -> int:
        return 1

    async def story() -> None:
        bench = Bench(store_url, [workflow("served", main)])
        bench.store.listen(lambda _topic: bench.worker.waker.ring())
        stop = asyncio.Event()
        serving = asyncio.create_task(bench.worker.serve(stop))
        execution_id = await bench.start("served")
        async with asyncio.timeout(PATIENCE):
            while await bench.store.status_of(execution_id) is not Status.SUCCESS:  # noqa: ASYNC110 - a store has no event
                await asyncio.sleep(0.001)
        stop.set()
        bench.worker.waker.ring()
        async with asyncio.timeout(PATIENCE):
            await serving
        await bench.close()

    asyncio.run(story())
