"""What stands in a PostgreSQL database held against what should: the changes to make, and the gaps that follow. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hub.model.clock import iso
from hub.model.executor import RecordEvent
from hub.triggers.record_events.postgres_catalogue import Catalogue, Record, Table, Trigger
from hub.triggers.record_events.postgres_text import BY_NAME, FUNCTIONS, TABLES, WISHES, Wish, model_of
from hub.triggers.record_events.wanted import Wanted, refusal
from hub.triggers.record_events.watched import Change, Finding, shown


@dataclass(slots=True)
class Plan:
    changes: list[Change] = field(default_factory=list)
    #: Triggers to drop, and those to make, each with its model.
    drop: list[Trigger] = field(default_factory=list)
    create: list[tuple[str, Table, Wish]] = field(default_factory=list)
    #: Our tables and functions to make.
    tables: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    #: Records to make anew from what stands, and those to drop.
    remember: list[tuple[str, Trigger]] = field(default_factory=list)
    forget: list[tuple[str, str]] = field(default_factory=list)
    #: Gaps, to be recorded once when the changes are made.
    gaps: list[Finding] = field(default_factory=list)
    #: What holds now and will be said again at every check.
    standing: list[Finding] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        return not (
            self.changes or self.gaps or self.tables or self.functions or self.remember or self.forget or self.drop
        )


def compare(catalogue: Catalogue, wanted: Wanted, *, now: int, verified: int | None) -> Plan:
    """The plan. `verified` is when everything was last seen in place by this process, in milliseconds; None: not yet."""
    plan = Plan(standing=standing(catalogue, wanted, now))
    records, functions = catalogue.records or {}, catalogue.functions or {}
    if any(model in catalogue.tables for model in wanted):
        plan.tables = [name for name in TABLES if name not in catalogue.own]
        plan.functions = [name for name in FUNCTIONS if not functions.get(name, False)]
    expected: set[tuple[str, str]] = set()
    kept: set[int] = set()
    gaps: dict[tuple[str, str], dict[RecordEvent, int]] = {}
    for model, wish in wishes(wanted):
        expected.add((model, wish.name))
        table, record = catalogue.tables.get(model), records.get((model, wish.name))
        if table is None:
            continue
        found = _standing_on(catalogue, table, wish)
        cause = _plan_trigger(plan, model, table, wish, found, record)
        if found is not None:
            kept.add(found.oid)
        if cause is not None:
            since = max(verified or 0, 0 if record is None else record.at)
            gaps.setdefault((model, cause), {}).setdefault(wish.kind, since)
    _drop_rest(plan, catalogue, kept, now)
    # A table that is missing and still wanted stays remembered: when it comes back without triggers, that was a gap.
    plan.forget = sorted(records.keys() - expected)
    plan.gaps = [_gap(model, cause, kinds, now) for (model, cause), kinds in gaps.items()]
    if any(name in functions and not functions[name] for name in FUNCTIONS):
        plan.gaps.append(_foreign_function(now))
    if catalogue.schema and "outbox" not in catalogue.own and catalogue.own:
        sentence = "the hub's outbox was dropped: changes that waited in it have no event."
        plan.gaps.append(Finding("capture_gap", "", sentence, now))
    return plan


def _drop_rest(plan: Plan, catalogue: Catalogue, kept: set[int], now: int) -> None:
    """Triggers that nobody wants, as far as this role may drop them."""
    for trigger in catalogue.triggers:
        model = model_of(trigger.schema, trigger.table)
        if trigger.oid in kept:
            continue
        if not trigger.owned:
            sentence = f"{trigger.name} stays on {shown(model)} until `hub db uninstall`: only the table's owner may drop it alone."
            plan.standing.append(Finding("declared", model, sentence, now))
        else:
            plan.drop.append(trigger)
            plan.changes.append(Change("drop", trigger.name, model, _kind(trigger), "no executor wants it any more"))


def wishes(wanted: Wanted) -> Iterator[tuple[str, Wish]]:
    """Every trigger that should stand, with the model that it is for."""
    for model in sorted(wanted):
        for wish in WISHES:
            if wish.kind in wanted[model]:
                yield model, wish


def _standing_on(catalogue: Catalogue, table: Table, wish: Wish) -> Trigger | None:
    for trigger in catalogue.triggers:
        if trigger.relation == table.oid and trigger.name == wish.name:
            return trigger
    return None


def is_right(trigger: Trigger, table: Table, wish: Wish) -> bool:
    """Whether it stands exactly as it should. Who does not own the table cannot make it fire in sessions that replicate."""
    enabled = "A" if table.owned else trigger.enabled if trigger.enabled in "AO" else "A"
    return trigger.bits == wish.bits and trigger.enabled == enabled and not trigger.strange


def _plan_trigger(
    plan: Plan, model: str, table: Table, wish: Wish, found: Trigger | None, record: Record | None
) -> str | None:
    """Plan one trigger that should stand. What was amiss, when changes may have been missed; else None."""
    if found is None:
        anew = record is not None and record.relation != table.oid
        reason = "not there yet" if record is None else "its table was made anew" if anew else "it was gone"
        plan.create.append((model, table, wish))
        plan.changes.append(Change("create", wish.name, model, wish.kind, reason))
        return None if record is None else "anew" if anew else "gone"
    if not is_right(found, table, wish):
        off = found.enabled in "DR" or (found.enabled == "O" and table.owned)
        plan.create.append((model, table, wish))
        plan.changes.append(
            Change("replace", wish.name, model, wish.kind, "it was disabled" if off else "somebody changed it")
        )
        return "disabled" if off else "changed"
    if record is None:
        plan.remember.append((model, found))
        return None
    if record.version != found.version:
        plan.remember.append((model, found))
        return "meanwhile"
    return None


def _kind(trigger: Trigger) -> RecordEvent:
    return BY_NAME[trigger.name].kind if trigger.name in BY_NAME else "record.created"


def _gap(model: str, cause: str, kinds: dict[RecordEvent, int], now: int) -> Finding:
    names, since = ", ".join(sorted(kinds)), min(kinds.values())
    span = f"between {iso(since)} and {iso(now)}" if since else f"before {iso(now)}"
    what = {
        "gone": "were dropped by somebody",
        "anew": "were gone: there is another table of this name now",
        "disabled": "were disabled by somebody, as a restore with --disable-triggers does",
        "meanwhile": "were changed by somebody and are as they should be again",
        "changed": "were changed by somebody",
    }[cause]
    sentence = f"the triggers of {shown(model)} ({names}) {what}. Rows changed {span} may have no event."
    return Finding("capture_gap", model, sentence, now)


def _foreign_function(now: int) -> Finding:
    sentence = "the hub's function was changed by somebody. Rows changed before now may have no event, or a wrong one."
    return Finding("capture_gap", "", sentence, now)


def standing(catalogue: Catalogue, wanted: Wanted, now: int) -> list[Finding]:
    """Tables that cannot be watched, and what cannot be captured."""
    found: list[Finding] = []
    for model in sorted(wanted):
        why = refusal(model, catalogue.relations)
        if why is not None:
            found.append(Finding("missing_table", model, f"nothing is captured: {why}", now))
            continue
        found += [
            Finding("declared", model, one, now) for one in _limits(model, catalogue.tables[model], wanted[model])
        ]
    return found


def _limits(model: str, table: Table, kinds: frozenset[RecordEvent]) -> Iterator[str]:
    """What of a table cannot be captured, in sentences."""
    if not table.owned:
        yield (
            f"{shown(model)}: rows changed in a session with session_replication_role=replica have no event, because the "
            "role that made the triggers does not own the table."
        )
    if table.partitioned and "record.updated" in kinds:
        yield f"{shown(model)}: a row that an UPDATE moves to another partition is deleted and created, as its events say."
    if table.partitioned:
        yield (
            f"{shown(model)}: rows that come or go with a whole partition (ATTACH, DETACH, DROP, or TRUNCATE of it alone) have "
            "no event."
        )
    if table.heirs:
        yield (
            f"{shown(model)}: rows of the tables that inherit from it ({', '.join(shown(heir) for heir in table.heirs)}) "
            "have no event, though a SELECT from it shows them. Watch those tables too."
        )
    if table.virtual:
        yield (
            f"{shown(model)}: PostgreSQL computes {', '.join(shown(column) for column in table.virtual)} when it is read, so in "
            "an event it is null. Make it STORED, or compute it from the other columns."
        )
    if table.unlogged:
        yield f"{shown(model)} is unlogged: PostgreSQL empties it after a crash, and its rows go without an event."


def matching(catalogue: Catalogue, wanted: Wanted, model: str) -> frozenset[RecordEvent]:
    """The kinds of `model` whose triggers stand exactly as they should."""
    table = catalogue.tables.get(model)
    if table is None or not all((catalogue.functions or {}).get(name, False) for name in FUNCTIONS):
        return frozenset()
    wrong = {
        wish.kind
        for wish in WISHES
        if (found := _standing_on(catalogue, table, wish)) is None or not is_right(found, table, wish)
    }
    return frozenset(wanted[model]) - wrong
