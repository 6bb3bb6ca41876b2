"""`hub check` and `hub schema`."""

from __future__ import annotations

import click

from hub.cli.printing import note, print_json
from hub.cli.session import FAILED, command, json_option, project_option, project_root
from hub.model.counted import counted
from hub.model.hiding import too_short


@click.command()
@json_option
@project_option
@command
async def check(as_json: bool) -> int:
    """Validate config, executors, workflows and expressions; exit 1 with every problem.

    Executions that began before their workflow was changed are held against the present code, and are a problem when
    that cannot go on with them.
    """
    from hub.assembly.definitions import other_nodes
    from hub.assembly.files import read_files
    from hub.assembly.revisions import as_problems, changed_executions
    from hub.assembly.tables import table_problems

    files = read_files(project_root())
    for sentence in await other_nodes(files):
        click.echo(sentence, err=True)
    for name in sorted(files.hiding.short):
        click.echo(too_short(name), err=True)
    for warning in files.warnings:
        click.echo(str(warning), err=True)
    judged = await changed_executions(files)
    problems = sorted([*files.problems, *await table_problems(files), *as_problems(files, judged)])
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
        workflows = len([name for name in files.registry.workflows if "." not in name])
        said = counted(len(problems), "problem") if problems else "all good"
        if judged:
            began = counted(
                len(judged), "execution began before its workflow was", "executions began before their workflow was"
            )
            note(f"{began} changed: see `hub workflow changed`")
        note(f"{said}: {counted(len(files.executors), 'executor')}, {counted(workflows, 'workflow')}")
    return FAILED if problems else 0


@click.command()
@click.argument("kind", type=click.Choice(["executor", "config"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of an executor or of config/hub.yaml."""
    from hub.declare.checking import schema as find

    print_json(find("config" if kind == "config" else "executor"))
