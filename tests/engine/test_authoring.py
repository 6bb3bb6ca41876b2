"""What can be declared, and what is refused where it is declared."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub import ConcurrencyPolicy, Context, RetryPolicy, job, wait_point, workflow
from hub.engine.registry import Registry
from hub.engine.retry import backoff, may_retry
from hub.model.errors import BadInput, NonRetryable, NotFound


async def fetch_customer(input: dict, ctx: Context) -> dict:
    return {"input": input, "ctx": ctx}


def only_input(input: dict): ...
def only_context(ctx: Context): ...
def nothing(): ...
def turned(ctx: Context, input: dict): ...
def own_names(order: dict, context: Context): ...
def default_input(input: dict | None = None): ...
def further_default(input: dict, colour: str = "red"): ...


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (fetch_customer, ("input", "context")),
        (only_input, ("input",)),
        (only_context, ("context",)),
        (nothing, ()),
        (turned, ("context", "input")),
        (own_names, ("input", "context")),
        (default_input, ("input",)),
        (further_default, ("input",)),
    ],
)
def test_a_job_takes_input_and_context_either_or_none(function, takes):
    made = job(function)
    assert made.takes == takes
    assert made.name == function.__name__.replace("_", "-")
    assert made.is_async == (function is fetch_customer)


def three(a, b, ctx): ...
def starred(*args): ...
def by_keyword(input, *, ctx): ...


@pytest.mark.parametrize("function", [three, starred, by_keyword])
def test_other_signatures_are_refused_at_their_line(function):
    line = function.__code__.co_firstlineno
    with pytest.raises(
        TypeError, match=rf"test_authoring\.py:{line}: a job takes `input` and `ctx`.*{function.__name__}"
    ):
        job(function)


def test_an_annotation_without_a_json_form_is_refused_at_its_line():
    class Socket: ...

    def takes_socket(input: Socket): ...
    def gives_unknown() -> Unknown: ...  # noqa: F821 - it is unknown

    with pytest.raises(
        TypeError, match=rf"test_authoring\.py:{takes_socket.__code__.co_firstlineno}: .*Socket.*no JSON"
    ):
        job(takes_socket)
    with pytest.raises(TypeError, match=rf"test_authoring\.py:{gives_unknown.__code__.co_firstlineno}: .*Unknown"):
        job(gives_unknown)


@pytest.mark.parametrize("name", ["", "ab", "Upper", "under_score", "-edge", "edge-", "x" * 64, "ümlaut", "a b c", 777])
def test_names_are_refused_with_the_rule(name):
    with pytest.raises(ValueError, match=r"test_authoring\.py:\d+: .* is not a job name: it must be 3 to 63"):
        job(name=name)(fetch_customer)
    with pytest.raises(ValueError, match=r"test_authoring\.py:\d+: .* is not a workflow name: it must be 3 to 63"):
        workflow(name, job(fetch_customer))


def test_a_main_job_is_a_job():
    with pytest.raises(TypeError, match=r"test_authoring\.py:\d+: main_job of the workflow \"orders\".*put @job"):
        workflow("orders", fetch_customer)
    with pytest.raises(TypeError, match="main_job"):
        workflow("orders")


def counting(input):
    yield input


async def counting_slowly(input):
    yield input


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: job("a-name"), r"@job goes on a function, and 'a-name' is none; options have names: @job\(name=…\)"),
        (lambda: job(job(nothing)), "@job goes on a function, and <job nothing> is none"),
        (lambda: job(partial(only_input, 1)), "@job goes on a function, and functools.partial"),
        (lambda: job(int), "@job goes on a function"),
        (lambda: job(counting), r"test_authoring\.py:\d+: a job returns its result, and counting yields"),
        (lambda: job(counting_slowly), "counting_slowly yields"),
        (lambda: job(retry=3)(nothing), "retry is 3: it must be a RetryPolicy"),
        (
            lambda: job(deps=[only_input])(nothing),
            r"test_authoring\.py:\d+: deps of nothing holds .*only_input.* made of jobs",
        ),
        (lambda: workflow("orders", job(nothing), retry_policy={"max_retries": 3}), "it must be a RetryPolicy"),
        (lambda: workflow("orders", job(nothing), concurrency_policy=5), "concurrency_policy is 5: it must be a Conc"),
        (lambda: workflow("orders", job(nothing), debounce="5s"), "debounce is '5s': it must be a Debounce"),
        (
            lambda: wait_point("approval", result={"type": "object"}),
            r"test_authoring\.py:\d+: .* is a value, not a type",
        ),
        (lambda: wait_point("approval", payload=print), r"test_authoring\.py:\d+: .* has no JSON form"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_declared(declare, message):
    with pytest.raises(TypeError, match=message):
        declare()


def test_a_timeout_is_longer_than_nothing():
    for declare in (lambda: job(timeout=0)(nothing), lambda: workflow("orders", job(nothing), timeout="0s")):
        with pytest.raises(ValueError, match="it must be longer than nothing; leave it out for no limit"):
            declare()


def test_names_are_unique_and_both_places_are_named():
    first, second = workflow("orders", job(fetch_customer)), workflow("orders", job(only_input))
    with pytest.raises(
        BadInput, match=r"test_authoring\.py:\d+: there is a workflow \"orders\" already, at .*\.py:\d+"
    ):
        Registry([first, second])
    other = job(name="fetch-customer")(only_input)
    with pytest.raises(BadInput, match=rf":{only_input.__code__.co_firstlineno}: there is a job .* already"):
        Registry([first], [other])
    assert Registry([first, first], [first.main_job]).jobs == {"fetch-customer": first.main_job}
    with pytest.raises(NotFound, match=r'Did you mean "orders"\?'):
        Registry([first]).workflow("order")


def test_deps_are_known_and_circles_refused():
    low = job(only_input)
    mid = job(deps=[low])(only_context)
    top = job(deps=[mid, low])(fetch_customer)
    assert set(Registry([workflow("orders", top)]).jobs) == {"only-input", "only-context", "fetch-customer"}
    low.deps = (top,)
    with pytest.raises(BadInput, match="circle: fetch-customer -> only-context -> only-input -> fetch-customer"):
        Registry([workflow("orders", top)])


def test_many_paths_through_deps_are_walked_once():
    row = [job(name="low-0")(nothing)]
    for layer in range(1, 60):
        row = [job(name=f"job-{layer}-{side}", deps=row)(nothing) for side in range(2)]
    assert len(Registry(jobs=row).jobs) == 119


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_retries": 0}, "max_retries is 0: it must be a whole number from 1 to 10"),
        ({"max_retries": 2.5}, "max_retries is 2.5"),
        ({"max_retries": "3"}, "max_retries is '3'"),
        ({"max_retries": 11}, "max_retries is 11"),
        ({"max_retries": True}, "max_retries is True"),
        ({"initial_backoff": "61m"}, "initial_backoff is 1.02h: it must be at most 1h"),
        ({"max_backoff": "25h"}, "it must be at most 24h"),
        ({"initial_backoff": "10s", "max_backoff": "5s"}, "shorter"),
        ({"backoff_multiplier": 0.5}, "at least 1"),
        ({"backoff_multiplier": "2"}, "at least 1"),
        ({"backoff_multiplier": True}, "at least 1"),
        ({"backoff_multiplier": float("nan")}, "at least 1"),
        ({"backoff_multiplier": float("inf")}, "at least 1"),
        ({"initial_backoff": timedelta(seconds=-1)}, "is not a duration"),
        ({"initial_backoff": None}, "is not a duration"),
        ({"retry_on": ("OSError",)}, "retry_on holds 'OSError': it must be made of exception classes"),
        ({"never_on": [int]}, "never_on holds <class 'int'>"),
        ({"initial_backoff": "ten"}, "is not a duration"),
        ({"initial_backoff": float("nan")}, "is not a duration"),
    ],
)
def test_limits_of_retry_policies(wrong, message):
    with pytest.raises(ValueError, match=message):
        RetryPolicy(**wrong)


def test_a_long_first_wait_needs_no_longest_one():
    assert RetryPolicy(initial_backoff="1h").max_backoff == 3_600_000
    assert RetryPolicy(initial_backoff="10ms").max_backoff == 30_000


def test_limits_of_concurrency_policies():
    assert ConcurrencyPolicy(max_concurrent_executions=1000, key="input.customer.id").key == "input.customer.id"
    for wrong in (0, 1001, 1.5, "5", True):
        with pytest.raises(ValueError, match="from 1 to 1000"):
            ConcurrencyPolicy(max_concurrent_executions=wrong)
    for key in ("customer", "input", "input.", "input..x", "input.a[", "input.a[b]", "input[]", 'input["a"]', len):
        with pytest.raises(ValueError, match="write a path into the input"):
            ConcurrencyPolicy(5, key=key)


policies = st.builds(
    RetryPolicy,
    max_retries=st.integers(1, 10),
    initial_backoff=st.timedeltas(timedelta(0), timedelta(hours=1)),
    max_backoff=st.timedeltas(timedelta(hours=1), timedelta(hours=24)),
    backoff_multiplier=st.floats(1, 1e6),
)


@given(policies, st.integers(0, 9), st.text(max_size=5))
def test_a_wait_is_a_part_of_the_capped_exponential_and_the_same_for_the_same_seed(policy, retries, seed):
    wait = backoff(policy, retries, seed)
    assert 0 <= wait <= policy.max_backoff
    assert wait <= policy.initial_backoff * policy.backoff_multiplier**retries + 1
    assert wait == backoff(policy, retries, seed)


def test_waits_are_spread():
    policy = RetryPolicy(initial_backoff="10s", max_backoff="10s")
    waits = [backoff(policy, 0, str(number)) for number in range(500)]
    assert min(waits) < 1_000
    assert max(waits) > 9_000


@given(policies, st.integers(0, 20))
def test_retries_are_finite_and_hopeless_errors_get_none(policy, retries):
    assert may_retry(policy, ValueError(), retries) == (retries < policy.max_retries)
    assert not may_retry(policy, NonRetryable(), retries)
    assert not may_retry(policy, SystemExit(), retries)
    assert not may_retry(None, ValueError(), retries)


def test_a_policy_may_choose_its_errors():
    policy = RetryPolicy(retry_on=(OSError,), never_on=(ConnectionError,))
    assert may_retry(policy, FileNotFoundError(), 0)
    assert not may_retry(policy, ConnectionResetError(), 0)
    assert not may_retry(policy, ValueError(), 0)


def test_every_public_name_is_there():
    assert all(getattr(hub, name) is not None for name in hub.__all__)


def test_a_job_is_still_its_function():
    made = job(only_input)
    assert made({"a": 1}) is None
    assert made.__name__ == "only_input"
    assert repr(made) == "<job only-input>"
