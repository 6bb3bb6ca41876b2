"""Lists of what may be many, a page at a time: what one may see of it, and where the next page begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from hub.client.events import origin
from hub.client.reasons import with_reasons
from hub.client.verbs import Verbs, subject
from hub.model.audit import AuditRecord
from hub.model.errors import BadInput, NotFound
from hub.model.event import Delivery, Event, Outcome
from hub.model.execution import ExecutionRecord, LogLine, Status
from hub.model.executor import Executor, ScheduleTrigger
from hub.model.schedule import RecordedSlot
from hub.model.wait import WaitRecord
from hub.store.listed import Listed
from hub.store.refused import RefusedDelivery

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list."""

    #: Fewer than were asked for when some of them may not be seen, or are large.
    items: list[T]
    #: The key of the last one: the next page begins behind it. None: this was all.
    last: Any = None


class ListingVerbs(Verbs):
    """Lists, newest first; `before` is `Page.last` of the page before."""

    async def executions_page(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        executor: str | None = None,
        since: int | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Page[ExecutionRecord]:
        """Without their jobs; `since` in milliseconds since 1970 UTC. Raises NotFound for a status that there is not."""
        if status is not None and status not in set(Status):
            raise NotFound("status", status, set(Status))
        self._require("execution:read", None if workflow is None else subject(workflow))
        found = await self._store.list_executions(
            workflow=workflow, status=status, executor=executor, since=since, before=before, limit=limit + 1
        )
        page = self._page("execution:read", found, limit, lambda one: subject(one.workflow), lambda one: one.id)
        driver = self._driver
        return replace(page, items=await with_reasons(self._store, driver.registry, driver.clock.now(), page.items))

    async def logs_page(self, execution_id: str, *, after: int = 0, limit: int = 50) -> Page[tuple[int, LogLine]]:
        """Oldest first, behind number `after`, each with its number. Raises ExecutionNotFound."""
        await self._require_for_execution("execution:logs", execution_id)
        found = await self._store.logs(execution_id, after, limit + 1)
        return Page(found[:limit], found[limit - 1][0] if len(found) > limit else None)

    async def events_page(
        self,
        *,
        executor: str | None = None,
        outcome: str | None = None,
        since: int | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Page[tuple[Event, list[Delivery]]]:
        """Each with its deliveries. Raises NotFound for an outcome that there is not."""
        if outcome is not None and outcome not in set(Outcome):
            raise NotFound("outcome", outcome, set(Outcome))
        found = await self._store.list_events(
            executor=executor, outcome=outcome, since=since, before=before, limit=limit + 1
        )
        page = self._page("event:read", found, limit, origin, lambda one: one.id)
        ids = [event.id for event in page.items]
        deliveries = await self._store.deliveries(event_ids=ids, limit=20 * limit) if ids else []
        return Page(
            [(event, [one for one in deliveries if one.event_id == event.id]) for event in page.items], page.last
        )

    async def deliveries_page(self, executor: str, *, before: str | None = None, limit: int = 50) -> Page[Delivery]:
        """What became of the events that an executor met, also one that is renamed or gone by now. Raises NotFound."""
        self._require("executor:read", executor)
        found = await self._store.list_deliveries(executor, before, limit + 1)
        if not found and before is None:
            self._declared(executor)
        return self._page("executor:read", found, limit, lambda one: one.executor, lambda one: one.id)

    async def wait_points_page(
        self,
        *,
        execution_id: str | None = None,
        open_only: bool = True,
        before: str | None = None,
        limit: int = 50,
    ) -> Page[WaitRecord]:
        """What executions ask; `open_only`: what nobody has answered yet."""
        found = await self._store.list_wait_points(
            execution_id=execution_id, open_only=open_only, before=_wait_cursor(before), limit=limit + 1
        )
        return self._page(
            "wait-point:read",
            found,
            limit,
            lambda one: one.name,
            lambda one: f"{one.created_at} {one.execution_id} {one.path}",
        )

    async def slots_page(self, executor: str, *, before: int | None = None, limit: int = 50) -> Page[RecordedSlot]:
        """Every due moment that there was of a schedule, also one that is gone by now. Raises NotFound, or BadInput when it has none."""
        self._require("schedule:read", executor)
        rows = await self._store.list_slots(executor, before, limit + 1)
        if not rows and before is None:
            found = self._declared(executor)
            if not isinstance(found.trigger, ScheduleTrigger):
                raise BadInput(f'executor "{executor}" has no schedule: its trigger is of the kind {found.kind}.')
        return Page(rows[:limit], rows[limit - 1].at if len(rows) > limit else None)

    async def refused_page(
        self, executor: str | None = None, *, before: int | None = None, limit: int = 50
    ) -> Page[RefusedDelivery]:
        """Deliveries that were turned away."""
        self._require("webhook:read", executor)
        found = await self._store.list_refused(executor, before, limit + 1)
        return self._page("webhook:read", found, limit, lambda one: one.executor, lambda one: one.id)

    async def audit_page(
        self, *, who: str | None = None, object: str | None = None, before: int | None = None, limit: int = 50
    ) -> Page[AuditRecord]:
        """Who changed what."""
        self._require("audit:read", "")
        found = await self._store.audit(who=who, object=object, before=before, limit=limit + 1)
        return Page(found[:limit], found[limit - 1].number if len(found) > limit else None)

    async def schedules(self) -> tuple[set[str], list[tuple[Executor, int | None]]]:
        """The paused executors; and every executor with a schedule, by name, with when it is next due (None: never)."""
        due = {row.executor: row.next_fire_at for row in await self._store.schedules()}
        found = [one for _, one in sorted(self._driver.executors.items()) if isinstance(one.trigger, ScheduleTrigger)]
        visible = self._visible("schedule:read", found, lambda one: one.name)
        return await self._store.paused_executors(), [(one, due.get(one.name)) for one in visible]

    def _page(
        self, action: str, found: Sequence[T], limit: int, name: Callable[[T], str], key: Callable[[T], Any]
    ) -> Page[T]:
        """Of `limit + 1` rows; whether there is a next page does not depend on what may be seen of this one."""
        here = found[:limit]
        more = len(found) > limit or (isinstance(found, Listed) and found.cut)
        return Page(self._visible(action, here, name), key(here[-1]) if more else None)


def _wait_cursor(before: str | None) -> tuple[int, str, str] | None:
    """A wait's place in the list of them."""
    if before is None:
        return None
    at, _, rest = before.partition(" ")
    execution_id, _, path = rest.partition(" ")
    if not at.isascii() or not at.isdigit() or len(at) > 15:  # noqa: PLR2004 - milliseconds
        raise BadInput("this is no place in the list of wait points.")
    return int(at), execution_id, path
