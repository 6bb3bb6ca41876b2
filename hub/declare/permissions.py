"""Permissions that nobody asks for: most likely another one was meant, and what it should allow is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hub.declare.config import Config
from hub.model.actions import ACTIONS
from hub.model.executor import Problem
from hub.model.identity import ADMIN
from hub.model.names import advice, closest


def unknown_permissions(config: Config, asked: Collection[str]) -> Iterator[Problem]:
    """A problem for each permission of a machine user that gives nothing.

    `asked`: further actions that are asked for, by wait points. A resource that is not like any of the hub's is taken for one
    that the project's own code asks about.
    """
    known = {*ACTIONS, *(":".join(one.split(":")[:2]) for one in asked)}
    resources = {action.partition(":")[0] for action in known}
    for user in config.machine_users():
        for index, permission in enumerate(user.permissions):
            resource, _, action = permission.partition(":")
            action = action.partition(":")[0]
            if permission == ADMIN or f"{resource}:{action}" in known or (action == "*" and resource in resources):
                continue
            at = config.at("auth", user.auth_namespace, "machine_users", user.name, "permissions", index)
            if resource in resources:
                near = advice(f"{resource}:{action}", [one for one in known if one.startswith(f"{resource}:")])
                yield Problem(at, f'nothing asks for "{resource}:{action}". {near}')
            elif (like := closest(resource, resources)) is not None:
                yield Problem(at, f'nothing asks for permissions of "{resource}". Did you mean "{like}"?')
