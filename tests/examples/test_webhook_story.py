"""Something comes in by HTTP: what the two webhook executors of the repository make of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from shop_hub import ROOT, SECRETS, ShopHub, open_shop, shop_rows

from hub.declare.cross_check import Checkers, cross_check
from hub.declare.project import load_project
from hub.engine.discover import discover
from hub.expressions import check_expression, check_variables
from hub.model.event import NewEvent, Outcome
from hub.model.execution import Status

PUSH = {
    "ref": "refs/heads/main",
    "repository": {"full_name": "ada/engine"},
    "pusher": {"name": "ada"},
    "commits": [
        {"id": "a" * 40, "message": "Note G", "author": {"name": "Ada", "email": "ada@example.com"}},
        {"id": "b" * 40, "message": "Count from one: it's clearer", "author": {"name": "Grace"}},
    ],
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    open_shop(tmp_path)
    return tmp_path


def received(executor: str, kind: str, body: Any) -> NewEvent:
    """A verified request, as the intake stores it."""
    return NewEvent(
        source=f"webhook:{executor}",
        key=None,
        type=kind,
        time=0,
        payload={"method": "POST", "query": {}, "headers": {"content-type": "application/json"}},
        body=json.dumps(body).encode(),
        executors=(executor,),
    )


@pytest.mark.parametrize("body", [{"hello": "wörld", "n": [1, 2.5, None]}, ["a list"], "a text", 0, False])
def test_whatever_comes_in_is_kept(shop: Path, body: Any):
    async def story() -> None:
        async with ShopHub(shop) as hub:
            delivery = await hub.happens(received("webhook-workflow", "webhook", body))
            assert (await hub.ended(delivery.execution_id)).status is Status.SUCCESS

    asyncio.run(story())
    assert [json.loads(kept) for (kept,) in shop_rows(shop, "SELECT body FROM inbox")] == [body]


def test_the_commits_of_a_push_are_recorded_once(shop: Path):
    async def story() -> None:
        async with ShopHub(shop) as hub:
            for _ in range(2):
                delivery = await hub.happens(received("github-push", "push", PUSH))
                execution = await hub.ended(delivery.execution_id)
                assert execution.result == {"repository": "ada/engine", "commits": 2}

    asyncio.run(story())
    assert shop_rows(shop, "SELECT commit_id, author, message, pushed_by FROM pushes ORDER BY commit_id") == [
        ("a" * 40, "Ada", "Note G", "ada"),
        ("b" * 40, "Grace", "Count from one: it's clearer", "ada"),
    ]


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("push", {**PUSH, "ref": "refs/heads/wip"}, "the condition"),
        ("ping", {"zen": "Design for failure."}, '"ping" is not among push'),
    ],
)
def test_other_branches_and_other_events_start_nothing(shop: Path, kind: str, body: Any, why: str):
    async def story() -> None:
        async with ShopHub(shop) as hub:
            delivery = await hub.happens(received("github-push", kind, body))
            assert delivery.outcome is Outcome.FILTERED
            assert why in delivery.reason

    asyncio.run(story())


def test_the_files_of_the_project_fit_together():
    found, project = discover(ROOT), load_project(ROOT, SECRETS)
    assert [*found.problems, *project.problems] == []
    assert [executor.name for executor in project.loaded.executors] == [
        "daily-sync-workflow",
        "github-push",
        "order-created-workflow",
        "webhook-workflow",
    ]
    checkers = Checkers(expression=check_expression, variables=check_variables)
    names = {"workflows": found.registry.workflows, "jobs": found.registry.jobs}
    assert cross_check(project.loaded.executors, project.config, **names, checkers=checkers) == []
    assert [user.name for user in project.config.machine_users()] == ["ops", "workflow-bot"]
