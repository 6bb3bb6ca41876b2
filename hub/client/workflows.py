"""Workflows as they are declared, and who may act."""

from __future__ import annotations

from typing import Any

from hub.client.verbs import Verbs
from hub.engine.authoring import Job, Workflow
from hub.model.identity import MachineUser


class WorkflowVerbs(Verbs):
    """Workflows as they are declared, and who may act."""

    def workflows(self) -> list[Workflow[Any, Any]]:
        """Those that people declared, by name."""
        found = self._driver.registry.workflows
        return [found[name] for name in sorted(found) if "." not in name]

    def workflow(self, name: str) -> Workflow[Any, Any]:
        return self._driver.registry.workflow(name)

    def revision(self, workflow: str) -> str:
        return self._driver.registry.revision(workflow)

    def jobs_of(self, workflow: str) -> list[Job[Any, Any]]:
        """The jobs that a workflow can reach, its main job first."""
        return self._driver.registry.jobs_of(workflow)

    def machine_user(self, name: str, namespace: str | None = None) -> MachineUser:
        return self._driver.surroundings.named_user(name, namespace)
