"""The demo's end: what happened, for people and for programs, and where to go on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hub.cli.demo.ledger import Happening
from hub.cli.demo.stage import Stage
from hub.cli.printing import clean, note, print_json, print_table
from hub.cli.session import as_called
from hub.model.clock import iso

_COLUMNS = ("what happened", "executor", "outcome", "execution", "result or reason")


def show_ledger(stage: Stage, *, project: Path | None, as_json: bool) -> None:
    """The summary on standard output; what is not as it must be on standard error."""
    ledger = stage.ledger
    if as_json:
        print_json(_view(stage, project))
    else:
        click.echo("", err=True)
        print_table([_row(one) for one in ledger.happenings], _COLUMNS, "nothing happened")
        _show_rest(stage)
    for check in ledger.failed:
        note(f"not as it must be: {check.what}; {check.found}")


def what_next(stage: Stage, *, project: Path | None, stay: bool) -> None:
    """Where to look, and what to try."""
    address, hub = stage.server.address, as_called()
    if stay:
        note(f"The server is up until Ctrl-C. Its console: {stage.server.console()}")
        note(f"Look at it from another terminal: {hub} --project {stage.folder} event list")
    elif project is not None:
        note(f"The server is stopped. To go on: {hub} --project {project} serve, then {address}/console")
        note(f"What happened is kept: {hub} --project {project} event list, or workflow executions")
    else:
        note(f"The server and its console, {address}/console, are stopped, and the project is removed. Next:")
        note(f"  {hub} demo --stay      the same, and the server stays up until Ctrl-C, with its console")
        note(f"  {hub} demo --keep      the same, and the project stays, to be looked at and changed")
        note(f"  {hub} init DIR         a project of your own")


def _row(one: Happening) -> dict[str, str]:
    started = one.status is not None
    return {
        "what happened": one.what,
        "executor": one.executor,
        "outcome": one.outcome,
        "execution": one.status or "-",
        "result or reason": _short(one.result) if started else one.reason,
    }


def _short(result: Any) -> str:
    return (
        ", ".join(f"{key} {clean(value)}" for key, value in result.items())
        if isinstance(result, dict)
        else clean(result)
    )


def _show_rest(stage: Stage) -> None:
    ledger = stage.ledger
    click.echo()
    if (found := ledger.resumption) is not None:
        click.echo(
            f"killed          process {found.killed_pid} by signal {found.signal}, with {found.execution_id} half done"
        )
        click.echo(f"not run again   {', '.join(found.not_run_again) or 'nothing'}: the stored result was used")
        ran = ", ".join(f"{path}{f' (try {tries})' if tries > 1 else ''}" for path, tries in found.ran_after.items())
        click.echo(f"run afterwards  {ran}")
    if ledger.schedule is not None:
        click.echo(f"schedule        {ledger.schedule['slot']}, {ledger.schedule['said']}")
    good = len(ledger.checks) - len(ledger.failed)
    click.echo(f"checks          {good} of {len(ledger.checks)} as they must be")


def _view(stage: Stage, project: Path | None) -> dict[str, Any]:
    ledger = stage.ledger
    return {
        "ok": not ledger.failed,
        "finished_at": iso(stage.parts.clock.now()),
        "address": stage.server.address,
        "project": None if project is None else str(project),
        "happenings": [asdict(one) for one in ledger.happenings],
        "resumption": None if ledger.resumption is None else asdict(ledger.resumption),
        "schedule": ledger.schedule,
        "checks": [asdict(check) for check in ledger.checks],
    }
