"""What would become of an event at an executor, for somebody who is still writing the file."""

from __future__ import annotations

from typing import Any

from hub.dispatch.facts import args_of
from hub.dispatch.preview import Preview
from hub.expressions import Evaluated


def preview_view(preview: Preview, executor: str) -> dict[str, Any]:
    """The outcome, what expressions see, and what each of them gives."""
    return {
        "executor": executor,
        "outcome": preview.outcome.value,
        "reason": preview.reason,
        "args": args_of(preview.event),
        "condition": _evaluated(preview.condition, "condition_value"),
        "variables": _evaluated(preview.variables, "variables"),
    }


def _evaluated(found: Evaluated | None, what: str) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"value": getattr(found, what), "error": None if found.error is None else str(found.error)}
