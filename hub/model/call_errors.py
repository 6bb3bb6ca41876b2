"""What the store keeps of a call that failed by the hub's own finding, and not by what a job raised."""

from __future__ import annotations

from hub.model.errors import HubError
from hub.model.values import compact


def call_error(kind: str | type[HubError], message: str, *, job: str, path: str) -> str:
    """JSON text of {type, message, job, path, class}, from which the engine makes an exception again.

    A `kind` that is a class is raised as such; one that is a name, as a JobFailed of that type.
    """
    named, origin = (kind, "") if isinstance(kind, str) else (kind.__name__, f"{kind.__module__}:{kind.__qualname__}")
    return compact({"type": named, "message": message, "job": job, "path": path, "class": origin})
