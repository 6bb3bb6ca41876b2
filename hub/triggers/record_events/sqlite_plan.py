"""What stands in a SQLite database held against what should: the changes to make, and the gaps that follow. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from hub.model.clock import iso
from hub.model.executor import RecordEvent
from hub.triggers.record_events.sqlite_catalogue import Catalogue, Record
from hub.triggers.record_events.sqlite_text import OUTBOX, digest, trigger_name, trigger_sql
from hub.triggers.record_events.wanted import Wanted, refusal
from hub.triggers.record_events.watched import Change, Finding, shown


@dataclass(slots=True)
class Plan:
    changes: list[Change] = field(default_factory=list)
    #: Gaps, to be recorded once when the changes are made.
    gaps: list[Finding] = field(default_factory=list)
    #: What holds now and will be said again at every check.
    standing: list[Finding] = field(default_factory=list)
    #: Trigger name -> what to remember of it.
    remember: dict[str, Record] = field(default_factory=dict)
    #: Trigger names to remember no longer.
    forget: list[str] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        return not (self.changes or self.gaps or self.remember or self.forget)


def compare(catalogue: Catalogue, wanted: Wanted, *, now: int, verified: int | None) -> Plan:
    """The plan. `verified` is when everything was last seen in place by this process, in milliseconds; None: not yet."""
    plan = Plan(standing=standing(catalogue, wanted, now))
    expected: dict[str, str] = {}
    gaps: dict[tuple[str, str], list[tuple[RecordEvent, int]]] = {}
    for table, kind in _pairs(wanted):
        name = trigger_name(table, kind)
        expected[name] = table
        if refusal(table, catalogue.relations) is None:
            cause = _plan_trigger(plan, catalogue, table, kind, now)
            if cause is not None:
                since = max(verified or 0, catalogue.records[name].at if name in catalogue.records else 0)
                gaps.setdefault((table, cause), []).append((kind, since))
    for name, trigger in sorted(catalogue.triggers.items()):
        if expected.get(name) != trigger.table:
            reason = "no executor wants it any more" if name not in expected else "its table was renamed"
            plan.changes.append(Change("drop", name, trigger.table, _kind_of(name), reason))
    # A table that is missing and still wanted stays remembered: when it comes back without triggers, that was a gap.
    plan.forget = sorted(set(catalogue.records) - set(expected))
    plan.gaps = [_gap(table, cause, kinds, now) for (table, cause), kinds in gaps.items()]
    if (catalogue.triggers or catalogue.own) and OUTBOX not in catalogue.own | catalogue.taken:
        plan.gaps.append(
            Finding("capture_gap", "", f"the table {OUTBOX} was dropped: changes that waited in it have no event.", now)
        )
    return plan


def _plan_trigger(plan: Plan, catalogue: Catalogue, table: str, kind: RecordEvent, now: int) -> str | None:
    """Plan one trigger that should stand. What was amiss, when changes may have been missed; else None."""
    name, columns = trigger_name(table, kind), catalogue.columns[table]
    sql = trigger_sql(table, kind, columns)
    found, record = catalogue.triggers.get(name), catalogue.records.get(name)
    fresh = Record(table, kind, columns, digest(sql), now)
    in_place = found is not None and found.table == table
    if in_place and found is not None and found.sql == sql:
        if record is None:
            plan.remember[name] = fresh
        return None
    plan.remember[name] = fresh
    if found is None or not in_place:
        reason = "not there yet" if record is None else "it was gone"
        plan.changes.append(Change("create", name, table, kind, reason, sql))
        return None if record is None else "gone"
    if record is not None and record.columns != columns:
        plan.changes.append(Change("replace", name, table, kind, "the table's columns changed", sql))
        return _columns_changed(record.columns, columns)
    if record is not None and record.digest == digest(found.sql):
        plan.changes.append(
            Change("replace", name, table, kind, "this version of the hub writes it in another way", sql)
        )
        return None
    plan.changes.append(Change("replace", name, table, kind, "somebody changed it", sql))
    return "changed"


def _columns_changed(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    added = ", ".join(shown(column) for column in after if column not in before)
    gone = ", ".join(shown(column) for column in before if column not in after)
    parts = [f"new: {added}"] * bool(added) + [f"gone: {gone}"] * bool(gone)
    return f"columns changed ({'; '.join(parts) or 'another order'})"


def _gap(table: str, cause: str, kinds: list[tuple[RecordEvent, int]], now: int) -> Finding:
    names = ", ".join(kind for kind, _ in kinds)
    since = min(at for _, at in kinds)
    span = f"between {iso(since)} and {iso(now)}" if since else f"before {iso(now)}"
    match cause:
        case "gone":
            sentence = (
                f"the triggers of {shown(table)} ({names}) were gone: a table rebuild drops them in silence, or somebody did. "
                f"Rows changed {span} may have no event."
            )
        case "changed":
            sentence = f"the triggers of {shown(table)} ({names}) were changed by somebody. Rows changed {span} may have no event, or a wrong one."
        case _:
            sentence = f"{shown(table)}: {cause}. Events ({names}) of rows changed {span} may carry the columns as they were before."
    return Finding("capture_gap", table, sentence, now)


def standing(catalogue: Catalogue, wanted: Wanted, now: int) -> list[Finding]:
    """Tables that cannot be watched, and what SQLite does not tell a trigger."""
    found: list[Finding] = []
    for table in sorted(wanted):
        why = refusal(table, catalogue.relations)
        if why is not None:
            found.append(Finding("missing_table", table, f"nothing is captured: {why}", now))
        elif "record.deleted" in wanted[table]:
            # https://www.sqlite.org/lang_conflict.html: REPLACE fires delete triggers only with recursive_triggers on
            how = (
                "a constraint of it says ON CONFLICT REPLACE, so even a plain INSERT can replace a row"
                if table in catalogue.replacing
                else "INSERT OR REPLACE can replace a row"
            )
            sentence = (
                f"{shown(table)}: {how}, and the row that goes has no record.deleted event unless the writer sets "
                "PRAGMA recursive_triggers=on. INSERT … ON CONFLICT DO UPDATE is captured."
            )
            found.append(Finding("declared", table, sentence, now))
    return found


def _pairs(wanted: Wanted) -> Iterable[tuple[str, RecordEvent]]:
    return [(table, kind) for table in sorted(wanted) for kind in sorted(wanted[table])]


def _kind_of(trigger: str) -> RecordEvent:
    return cast("RecordEvent", "record." + trigger.split("_")[2])


def matching(catalogue: Catalogue, wanted: Mapping[str, frozenset[RecordEvent]], table: str) -> frozenset[RecordEvent]:
    """The kinds of `table` whose trigger stands exactly as it should."""
    if table not in catalogue.columns:
        return frozenset()
    columns = catalogue.columns[table]
    return frozenset(
        kind
        for kind in wanted[table]
        if (found := catalogue.triggers.get(trigger_name(table, kind))) is not None
        and found.sql == trigger_sql(table, kind, columns)
    )
