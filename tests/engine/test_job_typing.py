"""What type checkers infer of jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCE = """
from typing import assert_type, TypedDict
from pydantic import BaseModel
from hub import Context, Job, RetryPolicy, Triggered, Workflow, job, workflow

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
"""


def test_outputs_are_inferred_and_wrong_inputs_are_found() -> None:
    root = Path(__file__).parents[2]
    options = ["--strict", "--disable-error-code=empty-body", "--config-file=", "--follow-imports=silent"]
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--cache-dir={root}/.mypy_cache/typing-test", "-c", SOURCE],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line = SOURCE.splitlines().index("    fetch.trigger(3)") + 1
    wrong = 'Argument 1 to "trigger" of "Job" has incompatible type "int"; expected "Ref | Mapping[str, Any] | None"'
    assert found.stdout.splitlines()[:-1] == [f"<string>:{line}: error: {wrong}  [arg-type]"], (
        found.stdout + found.stderr
    )
