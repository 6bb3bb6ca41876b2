"""What type checkers infer in a program that has the hub installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
from typing import Any, assert_type, TypedDict
from pydantic import BaseModel
from hub import Client, Context, Job, RetryPolicy, Triggered, WaitPoint, Workflow, WorkflowRun, job, wait_point, workflow

class Ref(BaseModel):
    customer_id: str

class Customer(TypedDict):
    email: str

@job
async def fetch(input: Ref, ctx: Context) -> Customer: ...
@job
def plain(input: Ref, ctx: Context) -> int: ...
@job(name="named-one", retry=RetryPolicy(), timeout="3s")
async def named(input: Ref, ctx: Context) -> list[int]: ...
@job(name="named-two")
def named_plain(input: int) -> str: ...
@job
async def only_input(input: Ref) -> int: ...
@job
async def only_context(ctx: Context) -> str: ...
@job
async def nothing() -> bool: ...
@job
def plain_context(ctx: Context) -> float: ...

orders = workflow(name="orders", main_job=fetch)
approval = wait_point("approval", payload=Ref, result=bool)
shown = wait_point("shown", payload=Ref)
answered = wait_point("answered", result=bool)
either = wait_point("either", result=int | None)

async def later(n: int) -> float: ...
def book(order: int) -> str: ...

async def check() -> None:
    assert_type(fetch, Job[Ref, Customer])
    assert_type(fetch.trigger(Ref(customer_id="1")), Triggered[Customer])
    assert_type(await fetch.trigger({"customer_id": "1"}), Customer)
    assert_type((await fetch.trigger({"customer_id": "1"}))["email"], str)
    assert_type(plain.trigger(Ref(customer_id="1")).result(), int)
    assert_type(await named.trigger(Ref(customer_id="1")), list[int])
    assert_type(named_plain.trigger(1).result(), str)
    assert_type(await only_input.trigger(Ref(customer_id="1")), int)
    assert_type(await only_context.trigger(), str)
    assert_type(await nothing.trigger(), bool)
    assert_type(plain_context.trigger().result(), float)
    assert_type(orders, Workflow[Ref, Customer])
    assert_type(await orders.trigger({"customer_id": "1"}), str)
    fetch.trigger(3)

async def waits(ctx: Context) -> None:
    assert_type(approval, WaitPoint[Ref, bool])
    assert_type(await approval.with_(order=1).wait(Ref(customer_id="1"), timeout="3d"), bool)
    assert_type(shown, WaitPoint[Ref, Any])
    assert_type(answered, WaitPoint[Any, bool])
    assert_type(either, WaitPoint[Any, Any])
    assert_type(wait_point("anything"), WaitPoint[Any, Any])
    assert_type(await ctx.step.run("later", later, 1, timeout="1m"), float)
    assert_type(ctx.step.run("book", book, 1, retry=RetryPolicy()).result(), str)
    assert_type(await ctx.step.run("here", lambda: 1), int)
    with ctx.database("shop").transaction() as tx:
        assert_type(tx.result(1), int)

async def program(client: Client) -> None:
    @client.workflow(id="greet")
    async def greet(ctx: Context) -> str: ...
    @client.workflow(id="count")
    def count() -> int: ...
    @client.workflow(id="anything")
    async def anything(ctx, step): ...  # type: ignore[no-untyped-def]

    assert_type(await client.start_workflow(orders, Ref(customer_id="1")), WorkflowRun[Customer])
    assert_type(await (await client.start_workflow(greet)).result(), str)
    assert_type(await (await client.start_workflow(count)).result(), int)
    assert_type(await client.start_workflow(anything), WorkflowRun[Any])
    assert_type(await client.start_workflow("orders"), WorkflowRun[Any])
    run: WorkflowRun = client.run("x")
    assert_type(await run.result(), Any)
    assert_type(await client.result(await client.start_workflow(greet)), str)
    assert_type(await client.result("x"), Any)
"""


@pytest.mark.timeout(300)  # the first time a type checker reads everything that the hub stands on
def test_outputs_are_inferred_and_wrong_inputs_are_found(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    options = ["--strict", "--disable-error-code=empty-body", "--config-file=", "--follow-imports=silent"]
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--cache-dir={root}/.mypy_cache/typing-test", "-c", SOURCE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    line = SOURCE.splitlines().index("    fetch.trigger(3)") + 1
    wrong = 'Argument 1 to "trigger" of "Job" has incompatible type "int"; expected "Ref | Mapping[str, Any] | None"'
    assert found.stdout.splitlines()[:-1] == [f"<string>:{line}: error: {wrong}  [arg-type]"], (
        found.stdout + found.stderr
    )
