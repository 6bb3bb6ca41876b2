"""`hub person`: who may sign in to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hub.cli.printing import note, print_json, show
from hub.cli.session import command, json_option, opened, project_option

if TYPE_CHECKING:
    from hub.assembly.parts import Parts

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
    from hub.views import person_view

    async with opened() as parts:
        rows = [person_view(one) for one in await parts.client.people()]
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
    async with opened() as parts:
        address = claim_address(parts, await parts.client.invite_person(name, role))
        if as_json:
            print_json({"name": name, "address": address})
            return
        note(f"{name} opens this address once, within a week, and sets a password there:")
        click.echo(address)


@person.command("role")
@click.argument("name")
@click.argument("role", type=_ROLES)
@project_option
@command
async def role_of(name: str, role: str) -> None:
    """Give somebody another role. It holds from their next click on."""
    async with opened() as parts:
        await parts.client.set_role(name, role)
        note(f"{name} is {role}")


@person.command("remove")
@click.argument("name")
@project_option
@command
async def remove(name: str) -> None:
    """Let somebody in no more. Their sessions end at once."""
    async with opened() as parts:
        await parts.client.remove_person(name)
        note(f"{name} is removed")


def claim_address(parts: Parts, secret: str, base: str | None = None) -> str:
    """The one-time address behind a secret; `base`: where the hub is reached, by default as config/hub.yaml says."""
    from hub.assembly.parts import public_url

    return f"{base or public_url(parts.config)}/console/claim/{secret}"
