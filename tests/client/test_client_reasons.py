"""Every execution that waits says why."""

from __future__ import annotations

from pathlib import Path

from client_parts import make_project, tell

from hub.assembly.parts import Parts
from hub.model.clock import iso
from hub.model.execution import Settled, Status
from hub.model.identity import local
from hub.store.claims import Claimable, ClaimRequest
from hub.store.nodes import About

MORE = """\
from hub import ConcurrencyPolicy, Debounce, RateLimit, job, workflow


@job
async def work(input):
    return input


one_by_one = workflow("one-by-one", work, concurrency_policy=ConcurrencyPolicy(1))
by_key = workflow("by-key", work, concurrency_policy=ConcurrencyPolicy(1, key="input.of"))
rated = workflow("rated", work, rate_limit=RateLimit(1, "1h"))
"""


async def _started(parts: Parts, workflow: str, **args: object) -> str:
    return (await parts.client.acting_as(local("test")).start(workflow, args)).id


async def _claim(parts: Parts, workflow: str, *, by_key: bool = False) -> list[str]:
    asked = ClaimRequest(parts.node, (Claimable(workflow, "r", 1, by_key=by_key),), 10, parts.clock.now())
    return [one.id for one in await parts.store.claim(asked)]


async def _reason(parts: Parts, execution_id: str) -> str | None:
    client = parts.client.acting_as(local("test"))
    one = await client.execution(execution_id)
    listed = {each.id: each for each in (await client.executions_page()).items}
    assert listed[execution_id].reason == one.reason
    return one.reason


def test_what_keeps_an_execution_from_running_is_said(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    (root / "workflows" / "more.py").write_text(MORE)

    async def story(parts: Parts) -> None:
        first = await _started(parts, "one-by-one")
        assert await _reason(parts, first) == "no worker: nothing serves this hub now (hub serve)"
        await parts.store.beat(parts.node, About("host", 1), 60_000)
        assert await _reason(parts, first) == "due, and begins as soon as a worker has room"
        assert await _claim(parts, "one-by-one") == [first]
        assert await _reason(parts, first) is None
        second = await _started(parts, "one-by-one")
        assert await _reason(parts, second) == "concurrency limit reached: 1 of 1 run"
        keyed = [await _started(parts, "by-key", of=of) for of in ("a", "a", "b")]
        assert len(await _claim(parts, "by-key", by_key=True)) == 2
        (waiting,) = [one for one in keyed[:2] if await _reason(parts, one) is not None]
        assert await _reason(parts, waiting) == 'concurrency limit reached: 1 of 1 run for the key "a"'
        await _started(parts, "rated")
        assert "at most 1 begin in 1h" in str(await _reason(parts, await _started(parts, "rated")))
        later = parts.clock.now() + 60_000
        settled = Settled(
            first, 1, Status.PENDING_RETRY, parts.clock.now(), error="{}", due_at=later, reason="retry 1 of 3"
        )
        await parts.store.settle(settled)
        assert await _reason(parts, first) == "retry 1 of 3"

    tell(root, story)


def test_a_workflow_that_is_gone_and_a_time_that_has_not_come(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    (root / "workflows" / "more.py").write_text(MORE)
    ids: list[str] = []

    async def story(parts: Parts) -> None:
        ids.append(await _started(parts, "one-by-one"))
        await _claim(parts, "one-by-one")
        later = parts.clock.now() + 60_000
        await parts.store.settle(Settled(ids[0], 1, Status.PENDING, parts.clock.now(), due_at=later))
        assert await _reason(parts, ids[0]) == f"due at {iso(later)}"
        ids.append(await _started(parts, "one-by-one"))

    tell(root, story)
    (root / "workflows" / "more.py").unlink()

    async def after(parts: Parts) -> None:
        await parts.store.beat(parts.node, About("host", 1), 60_000)
        said = await _reason(parts, ids[1])
        assert said == "no worker knows the workflow one-by-one: it is not in the project's files any more"

    tell(root, after)
