"""`hub check` and `hub schema`."""

from __future__ import annotations

import asyncio
import sys

import click

from hub.cli.printing import print_json
from hub.cli.session import FAILED, json_option, project_option, project_root


@click.command()
@json_option
@project_option
def check(as_json: bool) -> None:
    """Validate config, executors, workflows and expressions; exit 1 with every problem."""
    from hub.assembly.files import read_files
    from hub.assembly.tables import table_problems

    files = read_files(project_root())
    problems = sorted([*files.problems, *asyncio.run(table_problems(files))])
    if as_json:
        print_json(
            [
                {
                    "file": problem.position.file,
                    "line": problem.position.line,
                    "column": problem.position.column,
                    "message": problem.message,
                }
                for problem in problems
            ]
        )
    else:
        for problem in problems:
            click.echo(str(problem))
        count = len(problems)
        workflows = len([name for name in files.registry.workflows if "." not in name])
        said = f"{count} problem{'s' if count != 1 else ''}" if count else "all good"
        click.echo(f"{said}: {len(files.executors)} executors, {workflows} workflows", err=True)
    sys.exit(FAILED if problems else 0)


@click.command()
@click.argument("kind", type=click.Choice(["executor", "config"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of an executor or of config/hub.yaml."""
    from hub.declare.checking import schema as find

    print_json(find("config" if kind == "config" else "executor"))
