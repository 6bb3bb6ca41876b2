"""The tables, in the order of the glossary.

- `events`: facts, stored before anything else happens.
- `deliveries`: what became of an event at each executor.
- `executions`: runs of workflows, with their lease.
- `full_keys`: concurrency keys that something waits for, and that may have room by now.
- `checkpoints`: stored results of finished calls, and marks of those under way.
- `contents`: results too large for those two, by their hash.
- `logs`: lines that jobs wrote.
- `waits`, `answers`, `signals`: what executions are parked on, and what came before anybody waited for it.
- `schedules`, `slots`: when each schedule is next due, and every due moment that there was.
- `nodes`: processes and how long their leases hold.
- `webhook_tokens`: the secrets in the URLs of `webhook: {}`.
- `refused`: webhook deliveries that were turned away, for a while.
- `executor_states`: which executors a person has paused, and which definition of each is in effect.
- `machine_secrets`, `machine_user_states`: secrets of machine users, as hashes; from when on their tokens count.
- `permission_uses`: which permission of a machine user was last used when.
- `people`, `invitations`, `sessions`: who may sign in to the console, who may become one of them, who has signed in.
- `tries`: wrong credentials of the last minutes, and who has shown right ones.
- `audit`, `audit_head`: who changed what, and where the chain of records ends.
- `commits`: slips by which a writer that lost an answer learns whether its commit happened.
- `meta`: the schema's version, the installation's id, and when workers died last.

Times are milliseconds since 1970 UTC. JSON is text, written and read by `hub.model.values`.
"""

from __future__ import annotations

from hub.store.tables.events import DISPATCHED, NEW, DeliveryRow, EventRow
from hub.store.tables.executions import PARKED, CheckpointRow, ContentRow, ExecutionRow, FullKeyRow, LogRow
from hub.store.tables.executors import ExecutorStateRow, RefusedRow, ScheduleRow, SlotRow, WebhookTokenRow
from hub.store.tables.identity import (
    AuditHeadRow,
    AuditRow,
    InvitationRow,
    MachineSecretRow,
    MachineUserStateRow,
    PermissionUseRow,
    PersonRow,
    SessionRow,
    TryRow,
)
from hub.store.tables.installation import SCHEMA_VERSION, CommitRow, MetaRow, NodeRow
from hub.store.tables.waits import AnswerRow, SignalRow, WaitRow

__all__ = [
    "DISPATCHED",
    "NEW",
    "PARKED",
    "SCHEMA_VERSION",
    "AnswerRow",
    "AuditHeadRow",
    "AuditRow",
    "CheckpointRow",
    "CommitRow",
    "ContentRow",
    "DeliveryRow",
    "EventRow",
    "ExecutionRow",
    "ExecutorStateRow",
    "FullKeyRow",
    "InvitationRow",
    "LogRow",
    "MachineSecretRow",
    "MachineUserStateRow",
    "MetaRow",
    "NodeRow",
    "PermissionUseRow",
    "PersonRow",
    "RefusedRow",
    "ScheduleRow",
    "SessionRow",
    "SignalRow",
    "SlotRow",
    "TryRow",
    "WaitRow",
    "WebhookTokenRow",
]
