"""webhook-processing: started by executors/webhook-workflow.yaml. Keeps whatever came in."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from hub import Context, job, workflow


class Kept(BaseModel):
    #: The row in the table `inbox`.
    key: str
    #: The body's keys, when it is an object.
    keys: list[str]


# `Any`: every JSON value is welcome. A model in its place would refuse what does not fit before anything starts.
@job
def keep_body(input: Any, ctx: Context) -> Kept:
    """Write the body into the shop's inbox, once, however often this is tried."""
    ctx.database("shop").run(
        "INSERT INTO inbox (idempotency_key, body) VALUES (:key, :body) ON CONFLICT (idempotency_key) DO NOTHING",
        key=ctx.idempotency_key,
        body=json.dumps(input, ensure_ascii=False),
    )
    return Kept(key=ctx.idempotency_key, keys=sorted(input) if isinstance(input, dict) else [])


webhook_processing = workflow(name="webhook-processing", main_job=keep_body)
