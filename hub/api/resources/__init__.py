"""The API's operations, a page for each noun."""

from __future__ import annotations

from hub.api.operations import Operation
from hub.api.resources.events import EVENTS
from hub.api.resources.executions import EXECUTIONS
from hub.api.resources.executors import EXECUTORS
from hub.api.resources.machine_users import MACHINE_USERS
from hub.api.resources.people import PEOPLE
from hub.api.resources.schedules import SCHEDULES
from hub.api.resources.upkeep import UPKEEP
from hub.api.resources.wait_points import WAIT_POINTS
from hub.api.resources.webhooks import WEBHOOKS
from hub.api.resources.workflows import WORKFLOWS

#: Everything under /api/v1.
OPERATIONS: tuple[Operation, ...] = (
    *EXECUTORS,
    *WORKFLOWS,
    *EXECUTIONS,
    *EVENTS,
    *WAIT_POINTS,
    *SCHEDULES,
    *WEBHOOKS,
    *MACHINE_USERS,
    *PEOPLE,
    *UPKEEP,
)
