"""An automation hub. What workflows import from here is its public surface."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.engine.authoring import job, trigger_workflow, workflow
    from hub.engine.context import Context
    from hub.engine.job import Job
    from hub.engine.patching import patched
    from hub.engine.points import WaitPoint, wait_point
    from hub.engine.policies import ConcurrencyPolicy, Debounce, RateLimit, RetryPolicy
    from hub.engine.steps import Steps
    from hub.engine.triggered import Triggered
    from hub.engine.workflow import Workflow
    from hub.library.client import Client
    from hub.library.run import WorkflowRun
    from hub.model.errors import (
        ArgumentHashMismatch,
        HubError,
        JobFailed,
        JobTimeout,
        NonRetryable,
        NotChosen,
        OutcomeUnknown,
        WaitTimeout,
    )

_HOMES = {
    "ArgumentHashMismatch": "hub.model.errors",
    "Client": "hub.library.client",
    "ConcurrencyPolicy": "hub.engine.policies",
    "Context": "hub.engine.context",
    "Debounce": "hub.engine.policies",
    "HubError": "hub.model.errors",
    "Job": "hub.engine.job",
    "JobFailed": "hub.model.errors",
    "JobTimeout": "hub.model.errors",
    "NonRetryable": "hub.model.errors",
    "NotChosen": "hub.model.errors",
    "OutcomeUnknown": "hub.model.errors",
    "RateLimit": "hub.engine.policies",
    "RetryPolicy": "hub.engine.policies",
    "Steps": "hub.engine.steps",
    "Triggered": "hub.engine.triggered",
    "Workflow": "hub.engine.workflow",
    "WorkflowRun": "hub.library.run",
    "job": "hub.engine.authoring",
    "patched": "hub.engine.patching",
    "trigger_workflow": "hub.engine.authoring",
    "WaitPoint": "hub.engine.points",
    "WaitTimeout": "hub.model.errors",
    "wait_point": "hub.engine.points",
    "workflow": "hub.engine.authoring",
}

__all__ = [
    "ArgumentHashMismatch",
    "Client",
    "ConcurrencyPolicy",
    "Context",
    "Debounce",
    "HubError",
    "Job",
    "JobFailed",
    "JobTimeout",
    "NonRetryable",
    "NotChosen",
    "OutcomeUnknown",
    "RateLimit",
    "RetryPolicy",
    "Steps",
    "Triggered",
    "WaitPoint",
    "WaitTimeout",
    "Workflow",
    "WorkflowRun",
    "job",
    "patched",
    "trigger_workflow",
    "wait_point",
    "workflow",
]


def __getattr__(name: str) -> Any:
    """Import on first use: the command line starts fast."""
    if name not in _HOMES:
        raise AttributeError(f"hub has no {name}")
    return getattr(importlib.import_module(_HOMES[name]), name)
