"""Deliberate changes of code that executions are in the middle of: `hub.patched("id")`."""

from __future__ import annotations

from hub.engine.scope import current
from hub.model.execution import Checkpoint, JobStatus
from hub.model.names import NAME_RULE, is_name
from hub.model.values import digest

PREFIX = "patched:"


def patched(change: str) -> bool:
    """Whether the running job takes the new way of a change; otherwise it goes on as before.

    `if patched("ask-twice"): …`. False where the execution has calls stored that this job made later than here, before the change was known. The
    answer is stored with the execution's history and is the same ever after. Once no execution is left from before
    the change, take the `if` away and keep the new way. Raises OutsideJob, or ValueError for an id that is no name.
    """
    scope = current()
    if not is_name(change):
        raise ValueError(f'"{change}" is not an id of a change: it must be {NAME_RULE}')
    run = scope.run
    run.refuse_if_stopped()
    path = f"{scope.path}/{PREFIX}{change}"
    run.ahead.discard(path)
    stored = run.history.get(path)
    if stored is not None:
        return stored.result == "true"
    taken = not any(ahead.startswith(f"{scope.path}/") for ahead in run.ahead)
    now = run.now()
    call = Checkpoint(
        path,
        PREFIX + change,
        JobStatus.SUCCESS,
        "{}",
        digest("{}"),
        result="true" if taken else "false",
        started_at=now,
        finished_at=now,
        epoch=run.claimed.epoch,
        number=next(run.numbers),
    )
    run.history[path] = call
    # It rides along: whatever the job stores after this is committed with it or later.
    run.tools.store.mark(run.write(call))
    return taken
