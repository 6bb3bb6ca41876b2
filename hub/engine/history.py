"""What an execution did, as it can be kept beside the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.model.execution import Checkpoint, ExecutionRecord, JobStatus, Status
from hub.model.values import canonical, digest, parse


@dataclass(frozen=True, slots=True)
class History:
    """An execution and its calls."""

    execution_id: str
    workflow: str
    status: Status
    args: Any
    result: Any
    #: {type, message, job}; None: it has not failed.
    error: Mapping[str, Any] | None
    attempts: int
    started_at: int
    calls: tuple[Checkpoint, ...]
    #: {type, auth_namespace, name, attributes}; None: anonymous.
    invoker: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, record: ExecutionRecord) -> History:
        """Of an execution that a client or an engine has looked up."""
        return cls(
            record.id,
            record.workflow,
            record.status,
            record.args,
            record.result,
            record.error,
            record.attempts,
            record.started_at or record.created_at,
            record.jobs,
            record.invoker,
        )

    @property
    def paths(self) -> list[str]:
        """The calls, by scope, name and occurrence."""
        return [call.path for call in self.calls]

    def to_json(self) -> dict[str, Any]:
        """For a file: `json.dump(history.to_json(), file)`."""
        return {
            "execution_id": self.execution_id,
            "workflow": self.workflow,
            "status": self.status.value,
            "args": self.args,
            "result": self.result,
            "error": None if self.error is None else dict(self.error),
            "attempts": self.attempts,
            "started_at": self.started_at,
            "invoker": None if self.invoker is None else dict(self.invoker),
            "calls": [
                {
                    "path": call.path,
                    "name": call.name,
                    "status": call.status.value,
                    "args": parse(call.args),
                    "result": None if call.result is None else {"value": parse(call.result)},
                    "error": None if call.error is None else parse(call.error),
                    "attempts": call.attempts,
                    "handled": call.handled,
                }
                for call in self.calls
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> History:
        """Read back what `to_json` gave. Raises KeyError or ValueError for something else."""
        calls = tuple(_call(one) for one in stored["calls"])
        plain = {name: stored[name] for name in ("execution_id", "workflow", "args", "result", "error")}
        return cls(
            status=Status(stored["status"]),
            attempts=stored["attempts"],
            started_at=stored["started_at"],
            calls=calls,
            invoker=stored.get("invoker"),
            **plain,
        )


def _call(one: Mapping[str, Any]) -> Checkpoint:
    args = canonical(one["args"])
    return Checkpoint(
        one["path"],
        one["name"],
        JobStatus(one["status"]),
        args,
        digest(args),
        result=None if one["result"] is None else canonical(one["result"]["value"]),
        error=None if one["error"] is None else canonical(one["error"]),
        attempts=one["attempts"],
        handled=one["handled"],
    )
