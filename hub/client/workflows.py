"""Workflows as they are declared, and who may act."""

from __future__ import annotations

from typing import Any

from hub.client.verbs import Verbs
from hub.engine.job import Job
from hub.engine.workflow import Workflow
from hub.model.identity import MachineUser


class WorkflowVerbs(Verbs):
    """Workflows as they are declared, and who may act."""

    def workflows(self) -> list[Workflow[Any, Any]]:
        """Those that people declared, by name."""
        found = self._driver.registry.workflows
        declared = [found[name] for name in sorted(found) if "." not in name]
        return self._visible("workflow:read", declared, lambda one: one.name)

    def workflow(self, name: str) -> Workflow[Any, Any]:
        """Raises NotFound with the closest name."""
        self._require("workflow:read", name)
        return self._driver.registry.workflow(name)

    def revision(self, workflow: str) -> str:
        self._require("workflow:read", workflow)
        return self._driver.registry.revision(workflow)

    def jobs_of(self, workflow: str) -> list[Job[Any, Any]]:
        """The jobs that a workflow can reach, its main job first."""
        self._require("workflow:read", workflow)
        return self._driver.registry.jobs_of(workflow)

    def invoker(self, name: str | None, namespace: str | None = None) -> MachineUser | None:
        """Whom an execution acts as that names NAME or NAMESPACE/NAME as its invoker, or the word anonymous.

        None, no name: a machine user acts as itself, anybody else anonymously. Raises NotFound, or BadInput when several
        namespaces have one of this name.
        """
        if name is None and self.principal.kind == "machine_user":
            name, namespace = self.principal.name, self.principal.auth_namespace
        if name is None or name == "anonymous":
            return None
        space, slash, rest = name.partition("/")
        return self._driver.surroundings.named_user(*((rest, space) if slash else (name, namespace)))
