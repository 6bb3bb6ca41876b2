"""Which rows the executors want to hear of, and what is wrong with what they ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.model.executor import EventTrigger, Executor, Problem, RecordEvent
from hub.model.names import advice
from hub.triggers.record_events.watched import Relation, shown

#: The wishes for one database: table -> kinds.
Wanted = Mapping[str, frozenset[RecordEvent]]

_REASONS: dict[Relation, str] = {
    "view": "is a view, and a view has no rows of its own: name the table that it reads from",
    "virtual": "is a virtual table, and SQLite allows no triggers on those: name the table that feeds it",
    "foreign": "is a foreign table, whose rows change elsewhere: watch the database that it comes from",
    "partition": "is a partition: name the table that it is a part of",
    "system": "belongs to the database itself or to the hub, and cannot be watched",
    "unreadable": "has a column whose name is not valid Unicode, so no event could name it: rename that column",
}


def wanted(executors: Iterable[Executor]) -> dict[str, dict[str, frozenset[RecordEvent]]]:
    """Namespace -> table -> kinds. A disabled executor wants nothing; a paused one still does, its deliveries say "paused"."""
    found: dict[str, dict[str, frozenset[RecordEvent]]] = {}
    for executor in executors:
        trigger = executor.trigger
        if executor.disabled or not isinstance(trigger, EventTrigger) or not trigger.types:
            continue
        tables = found.setdefault(trigger.namespace, {})
        tables[trigger.model] = tables.get(trigger.model, frozenset()) | frozenset(trigger.types)
    return found


def refusal(table: str, relations: Mapping[str, Relation]) -> str | None:
    """Why `table` cannot be watched, as a sentence; None when it can."""
    relation = relations.get(table)
    if relation == "table":
        return None
    if relation is None:
        return f"there is no table {shown(table)}. {advice(table, [name for name, kind in relations.items() if kind == 'table'])}"
    return f"{shown(table)} {_REASONS[relation]}."


def problems(executors: Iterable[Executor], namespace: str, relations: Mapping[str, Relation]) -> list[Problem]:
    """What the executors of one namespace ask of tables that cannot be watched, at the line that names the table."""
    found: list[Problem] = []
    for executor in executors:
        trigger = executor.trigger
        if not isinstance(trigger, EventTrigger) or trigger.namespace != namespace:
            continue
        why = refusal(trigger.model, relations)
        if why is not None:
            found.append(Problem(executor.at("trigger", "event", "model"), f"in the database {shown(namespace)} {why}"))
    return found
