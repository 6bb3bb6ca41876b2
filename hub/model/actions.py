"""Every action that somebody may be allowed: a permission names one, with the objects that it holds for.

A permission is `resource:action` or `resource:action:GLOB`. What the glob is held against is said with each resource.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Action -> what it lets one do.
ACTIONS: Mapping[str, str] = {
    # The executor's name.
    "executor:read": "see executors, and what became of the events that they met",
    "executor:trigger": "give an executor an event by hand",
    "executor:pause": "pause an executor, and let it go on",
    "executor:apply": "put changed executors, schedules and database triggers into effect",
    # The workflow's name.
    "workflow:read": "see workflows and their jobs",
    "workflow:start": "start executions of a workflow",
    # The name of the execution's workflow.
    "execution:read": "see executions: their jobs, arguments and results",
    "execution:logs": "read the lines that jobs wrote",
    "execution:resume": "let a failed execution go on",
    "execution:cancel": "end an execution",
    "execution:settle": "say what became of a call whose outcome is unknown",
    "execution:fork": "run an execution again from a place in it",
    # The executor's name; of a record event the database's.
    "event:read": "see events: their bodies, headers and deliveries",
    "event:replay": "hold an event against its executors again",
    # The wait point's name.
    "wait-point:read": "see what executions ask",
    "wait-point:resolve": "answer what executions ask",
    # The executor's name.
    "schedule:read": "see when schedules are due, and what became of their slots",
    "webhook:read": "see deliveries that were turned away, and why",
    "webhook:address": "see the addresses of webhooks, with the secret tokens in them",
    "webhook:verify": "check a refused delivery again",
    "webhook:release": "let a refused delivery in",
    # The machine user's name.
    "machine-user:read": "see machine users, their permissions and when they were last used",
    "machine-user:rotate": "make and revoke secrets of machine users",
    "machine-user:token": "make access tokens of machine users",
    "machine-user:act-as": "start executions that act as a machine user, or give such ones another input",
    # The database's name.
    "database:read": "read a database in a job",
    "database:write": "read and write a database in a job",
    # The secret's name.
    "secret:read": "read a secret in a job",
    # These have no name.
    "audit:read": "read the record of who changed what",
    "metrics:read": "read the hub's metrics",
    "node:read": "see the processes that serve the hub",
    "person:manage": "see, invite and remove the people who sign in to the console",
}
