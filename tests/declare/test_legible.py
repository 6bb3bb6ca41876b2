"""Files with problems are still read for what else is wrong with them: nothing hides, and nothing is told twice."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.declare.config import parse_config
from hub.declare.executors import parse_executor
from hub.declare.filling import Sources
from hub.declare.legible import legible_config
from hub.declare.reading import read
from hub.declare.secrets import Secrets
from hub.model.executor import Executor, HttpTarget, ScheduleTrigger, WebhookTrigger, WorkflowTarget

SOURCES = Sources({}, Secrets({}, {}))
WHOLE: dict[str, Any] = {
    "name": "some-name",
    "description": "what it does",
    "disabled": False,
    "trigger": {
        "webhook": {
            "verify": {"preset": "github", "secret": "${secret:ONE}"},
            "events": ["push"],
            "limits": {"rate": 5},
            "schema": {"type": "object"},
        },
        "condition": "args.body.n > 0",
    },
    "target": {
        "workflow": {
            "workflow_name": "greeting",
            "invoker": {"machine_user": {"auth_namespace": "main-auth", "name": "bot"}},
            "variables": {"n": "${{ args.body.n }}"},
        }
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab${}:", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=2),
    max_leaves=4,
)


def paths(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [where, *(found for key, one in inner for found in paths(one, (*where, key)))]


def replaced(value: Any, where: tuple[Any, ...], new: Any) -> Any:
    if not where:
        return new
    copy = value.copy()
    copy[where[0]] = replaced(value[where[0]], where[1:], new)
    return copy


def parsed(text: str) -> tuple[Executor, list[str]]:
    executor, problems = parse_executor(read(text.encode(), "executors/some-name.yaml"), SOURCES)
    assert executor is not None
    return executor, [problem.message for problem in problems]


@given(where=st.sampled_from(paths(WHOLE)), new=JSON, more=st.sampled_from(paths(WHOLE)))
def test_whatever_stands_in_a_file_an_executor_is_read_of_it(where: Any, new: Any, more: Any) -> None:
    """Two places are spoilt, and one of them gets a key that nobody knows."""
    value = replaced(WHOLE, where, new)
    if more in paths(value):
        inner = value
        for key in more:
            inner = inner[key]
        if isinstance(inner, dict):
            value = replaced(value, more, {**inner, "unheard-of": 1})
    executor, problems = parsed(json.dumps(value))
    assert executor.name == "some-name"
    assert problems or isinstance(executor.trigger, WebhookTrigger)


def test_what_is_right_is_kept_beside_what_is_wrong() -> None:
    executor, problems = parsed(
        "name: some-name\ndescripton: x\n"
        "trigger: {schedule: {cron: '@daily', timezone: Nowhere, overlap: queue}, condition: a}\n"
        "target: {workflow: {workflow_name: greeting, variables: b, invoker: 5}}\n"
    )
    assert len(problems) == 4
    assert executor.trigger == ScheduleTrigger("@daily")
    assert executor.condition == "a"
    assert executor.target == WorkflowTarget("greeting", None, "b")


def test_what_cannot_be_told_is_stood_in_for_by_what_says_nothing() -> None:
    executor, _ = parsed("name: some-name\ntriger: {event: {}}\ntarget: {workflow: {workflow: x}}\n")
    assert executor.trigger == WebhookTrigger()
    assert isinstance(executor.target, HttpTarget)


def config(text: str) -> Any:
    document = read(text.encode(), "config/hub.yaml")
    assert parse_config(document, SOURCES)[1], "it has a problem"
    return legible_config(document)


def test_names_of_a_config_with_problems_are_known() -> None:
    found = config(
        "sever: {}\ndatabases: {shop: {url: 5}}\n"
        "auth: {main-auth: {machine_users: {bot: {permissions: [workflow:start:a, 5], attribute: {}}, idle: }}}\n"
    )
    assert list(found.databases) == ["shop"]
    bot, idle = found.machine_users()
    assert bot.permissions == ("workflow:start:a", "admin"), "what cannot be read may be any right"
    assert idle.permissions == ()


def test_nothing_is_said_of_names_whose_key_may_be_misspelt() -> None:
    assert config("databasees: {shop: {}}\n") is None
    assert config("auht: {}\n") is None
    assert config("auth: {main-auth: {machine_user: {bot: {}}}}\n") is None
    assert config("auth: [1]\n") is None
    assert config("5\n") is None
    found = config("auth: {main-auth: {machine_users: {bot: {permission: []}}}}\n")
    assert found.machine_users()[0].permissions == ("admin",)
