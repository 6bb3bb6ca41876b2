"""`hub person`: who may sign in to the console."""

from __future__ import annotations

import click

from hub.cli.desk import desk
from hub.cli.printing import note, print_json, show
from hub.cli.session import command, json_option, project_option

_ROLES = click.Choice(["viewer", "operator", "admin"])
_COLUMNS = ("name", "role", "invited", "created_at", "last_sign_in_at")


@click.group()
def person() -> None:
    """Who may sign in to the console, and what they may do there."""


@person.command("list")
@json_option
@project_option
@command
async def list_people(as_json: bool) -> None:
    """People, by name."""
    async with desk() as here:
        rows = (await here.ask("listPeople"))["items"]
        show(
            rows, as_json=as_json, columns=_COLUMNS, empty="nobody yet: `hub serve` prints the address of the first one"
        )


@person.command("add")
@click.argument("name")
@click.option("--role", type=_ROLES, default="viewer", show_default=True, help="viewer: look; operator: also act.")
@json_option
@project_option
@command
async def add(name: str, role: str, as_json: bool) -> None:
    """Invite somebody, or let somebody set a new password: prints a one-time address."""
    async with desk() as here:
        invited = await here.ask("invitePerson", name=name, role=role)
        if as_json:
            print_json(invited)
            return
        note(f"{name} opens this address once, within a week, and sets a password there:")
        click.echo(invited["address"])


@person.command("role")
@click.argument("name")
@click.argument("role", type=_ROLES)
@project_option
@command
async def role_of(name: str, role: str) -> None:
    """Give somebody another role. It holds from their next click on."""
    async with desk() as here:
        await here.ask("setRole", name=name, role=role)
        note(f"{name} is {role}")


@person.command("remove")
@click.argument("name")
@project_option
@command
async def remove(name: str) -> None:
    """Let somebody in no more. Their sessions end at once."""
    async with desk() as here:
        await here.ask("removePerson", name=name)
        note(f"{name} is removed")
