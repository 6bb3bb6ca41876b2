"""`hub db`: the record-event triggers in a watched database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from hub.cli.printing import note, print_json, print_table
from hub.cli.session import command, json_option, opened, project_option
from hub.model.clock import iso, iso_or_none
from hub.model.counted import counted
from hub.model.errors import BadInput, NotFound

if TYPE_CHECKING:
    from hub.assembly.parts import Parts
    from hub.triggers.record_events.postgres import PostgresWatched
    from hub.triggers.record_events.wanted import Wanted
    from hub.triggers.record_events.watched import Finding, Installed, Status, Watched

_TABLES = ("table", "wanted", "installed", "waiting")
_CHANGES = ("action", "table", "kind", "trigger", "reason")


@click.group()
def db() -> None:
    """The record-event triggers in a watched database."""


@db.command("status")
@click.argument("name")
@json_option
@project_option
@command
async def status(name: str, as_json: bool) -> None:
    """What is watched, whether its triggers stand, and how many changes wait to be handed over."""
    async with _watched(name) as (_, watched, tables):
        found = await watched.status(tables)
        if as_json:
            print_json(_status_view(name, found))
            return
        rows = [
            {
                "table": one.table,
                "wanted": ", ".join(sorted(one.expected)),
                "installed": ", ".join(sorted(one.installed)) or "-",
                "waiting": one.depth,
            }
            for one in found.tables
        ]
        print_table(rows, _TABLES, f"no executor watches {name}")
        if any(one.installed < one.expected for one in found.tables):
            note(f"triggers are missing: `hub db install {name}` makes them, as `hub serve` does when it starts.")
        if found.set_aside:
            kept = "that could not be handed over"
            note(f"{counted(found.set_aside, f'change {kept} is', f'changes {kept} are')} kept.")
        _tell(found.findings)


@db.command("install")
@click.argument("name")
@click.option(
    "--url", help="Install with this address, of a role that may; the one of config/hub.yaml gets what a server needs."
)
@json_option
@project_option
@command
async def install(name: str, url: str | None, as_json: bool) -> None:
    """Make the triggers exactly those that the executors ask for. `hub serve` does it by itself where its role may."""
    async with _watched(name) as (parts, watched, tables):
        if url is None:
            done = await watched.install(tables)
        else:
            async with _with_role(url, watched, parts) as (other, run_role):
                done = await other.install(tables, run_role=run_role)
        if as_json:
            print_json(_installed_view(name, done))
            return
        print_table(_installed_view(name, done)["changes"], _CHANGES, "everything is in place")
        _tell(done.findings)


@db.command("uninstall")
@click.argument("name")
@click.option("--discard", is_flag=True, help="Also when changes wait: they will have no event.")
@click.option("--url", help="With this address, of the role that installed.")
@json_option
@project_option
@command
async def uninstall(name: str, discard: bool, url: str | None, as_json: bool) -> None:
    """Remove everything of the hub's from the database, and prove it."""
    async with _watched(name) as (parts, watched, tables):
        if url is None:
            await watched.uninstall(discard=discard)
        else:
            async with _with_role(url, watched, parts) as (other, _):
                await other.uninstall(discard=discard)
        await asyncio.to_thread(parts.surroundings.database(name).drop_results)
        again = bool(tables) and not parts.store.take_seat()
        if as_json:
            print_json({"database": name, "removed": True, "comes_again": again})
        else:
            note(f"nothing of the hub's is left in {name}")
        if again:
            note(
                "a server is running on this project, and makes the triggers again: stop it, or disable the executors that "
                f"watch {name}."
            )


@asynccontextmanager
async def _with_role(url: str, watched: Watched, parts: Parts) -> AsyncIterator[tuple[PostgresWatched, str]]:
    """The same database with another role, and the role that runs. Raises BadInput for databases that have no roles."""
    from hub.triggers.record_events.postgres import PostgresWatched

    if not isinstance(watched, PostgresWatched):
        raise BadInput("--url is for PostgreSQL: a SQLite file has no roles.")
    other = PostgresWatched(watched.namespace, url, parts.clock)
    try:
        yield other, await watched.role()
    finally:
        await other.close()


@asynccontextmanager
async def _watched(name: str) -> AsyncIterator[tuple[Parts, Watched, Wanted]]:
    """A database of config/hub.yaml, and what the executors ask of it. Raises NotFound or BadInput."""
    from hub.triggers.record_events.choosing import watched_at
    from hub.triggers.record_events.wanted import wanted

    async with opened() as parts:
        url = parts.config.databases.get(name)
        if url is None:
            raise NotFound("database", name, parts.config.databases)
        watched = watched_at(name, url, parts.files.root, parts.clock)
        if watched is None:
            raise BadInput(
                f'record events of the database "{name}" are not watched: it is neither SQLite nor PostgreSQL.'
            )
        try:
            yield parts, watched, wanted(parts.files.executors).get(name, {})
        finally:
            await watched.close()


def _tell(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        note(f"{finding.kind}: {finding.table}: {finding.sentence}")


def _status_view(name: str, found: Status) -> dict[str, Any]:
    return {
        "database": name,
        "tables": [
            {
                "table": one.table,
                "wanted": sorted(one.expected),
                "installed": sorted(one.installed),
                "waiting": one.depth,
            }
            for one in found.tables
        ],
        "waiting": found.depth,
        "set_aside": found.set_aside,
        "oldest_at": iso_or_none(found.oldest_at),
        "findings": _findings_view(found.findings),
    }


def _installed_view(name: str, done: Installed) -> dict[str, Any]:
    return {
        "database": name,
        "changes": [
            {"action": one.action, "table": one.table, "kind": one.kind, "trigger": one.trigger, "reason": one.reason}
            for one in done.changes
        ],
        "findings": _findings_view(done.findings),
    }


def _findings_view(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    return [{"kind": one.kind, "table": one.table, "sentence": one.sentence, "at": iso(one.at)} for one in findings]
