"""The command line: `hub`."""

from __future__ import annotations

import importlib
import logging
import sys

import click

from hub.cli.session import project_option

_COMMANDS = {
    "apply": ("hub.cli.applying:apply", "Put changed files into effect."),
    "audit": ("hub.cli.audit:audit", "Who changed what."),
    "check": ("hub.cli.checking:check", "Validate config, executors, workflows and expressions."),
    "db": ("hub.cli.databases:db", "The record-event triggers in a watched database."),
    "demo": ("hub.cli.demo:demo", "The example project end to end, with real HTTP, SQL and clock."),
    "event": ("hub.cli.events:event", "What was noticed, and what became of it."),
    "executor": ("hub.cli.executors:executor", "What listens to what, and starts what."),
    "init": ("hub.cli.init:init", "Make a new project that runs."),
    "machine-user": ("hub.cli.machine_users:machine_user", "Identities of programs, their secrets, tokens and rights."),
    "node": ("hub.cli.nodes:node", "The processes that serve this hub."),
    "person": ("hub.cli.people:person", "Who may sign in to the console."),
    "plan": ("hub.cli.applying:plan", "What changed files would change."),
    "schedule": ("hub.cli.schedules:schedule", "When schedules are next due, and past slots."),
    "schema": ("hub.cli.checking:schema", "Print the JSON Schema of an executor or of hub.yaml."),
    "serve": ("hub.cli.serve:serve", "Run everything: intake, schedules, record events, workers."),
    "verify": ("hub.cli.verify:verify", "Whether the store is sound and the books balance."),
    "wait-point": ("hub.cli.wait_points:wait_point", "What executions ask, and answers to it."),
    "webhook": ("hub.cli.webhooks:webhook", "Make correctly signed test requests."),
    "workflow": ("hub.cli.workflows:workflow", "Start and follow executions."),
}


class _Commands(click.Group):
    """Commands are imported when they are called: `hub --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:  # which knows none of those that are imported late
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=_COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hub", prog_name="hub")
@project_option
def cli() -> None:
    """Hub: record events, webhooks and schedules start durable workflows."""


def main() -> None:
    """Run a command. Exit status: 0 done, 1 it failed, 2 usage, 3 a wait timed out."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    cli()


__all__ = ["cli", "main"]
