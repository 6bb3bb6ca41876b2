"""`hub machine-user`: identities of programs, their secrets, tokens and rights."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.asking import Desk
from hub.cli.desk import desk
from hub.cli.printing import note, print_json, show
from hub.cli.session import FAILED, command, json_option, opened, project_option

_COLUMNS = ("name", "auth_namespace", "permissions", "unused_permissions", "secrets", "last_used_at")


def _namespace_option(function: Any) -> Any:
    return click.option("-n", "--namespace", help="Its auth namespace, when several have a machine user of this name.")(
        function
    )


def _who(name: str, namespace: str | None) -> dict[str, Any]:
    """NAME, or NAMESPACE/NAME: a path of the API holds the name alone."""
    space, slash, rest = name.partition("/")
    return {"name": rest, "namespace": space} if slash else {"name": name, "namespace": namespace}


@click.group("machine-user")
def machine_user() -> None:
    """Identities of programs, their secrets, tokens and rights. They are declared in config/hub.yaml."""


@machine_user.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), help="So many at most; all, when it is left out.")
@json_option
@project_option
@command
async def list_machine_users(limit: int | None, as_json: bool) -> None:
    """Machine users, what they may do, and which of that they have never done."""
    async with desk() as here:
        rows = (await here.ask("listMachineUsers", limit=limit))["items"]
        if not as_json:
            rows = [{**row, "secrets": len(row["secrets"])} for row in rows]
        show(rows, as_json=as_json, columns=_COLUMNS, empty="no machine users yet: declare them in config/hub.yaml")


@machine_user.command("secret")
@click.argument("name")
@click.option("--revoke", metavar="ID|all", help="Make none, and let this one be no good any more; `all`: tokens too.")
@_namespace_option
@json_option
@project_option
@command
async def secret(name: str, revoke: str | None, namespace: str | None, as_json: bool) -> None:
    """Make a secret for POST /oauth2/token. It is shown this once; two can be good at the same time."""
    async with desk() as here:
        if revoke is not None:
            await _revoke(here, name, None if revoke == "all" else revoke, namespace, as_json=as_json)
            return
        made = await here.ask("makeMachineSecret", **_who(name, namespace))
        if as_json:
            print_json(made)
            return
        note(
            f"client_id {made['client_id']}; the secret is shown once, and stored as a hash. "
            f"To end it: --revoke {made['id']}"
        )
        click.echo(made["client_secret"])


async def _revoke(here: Desk, name: str, secret_id: str | None, namespace: str | None, *, as_json: bool) -> None:
    which = {} if secret_id is None else {"id": secret_id}
    operation = "revokeMachineUser" if secret_id is None else "revokeMachineSecret"
    gone = (await here.ask(operation, **_who(name, namespace), **which))["revoked"]
    if as_json:
        print_json({"revoked": gone})
    elif gone:
        note(f"no good any more: {', '.join(gone)}, and the tokens that were got with it")
    else:
        note("no secret was good; every token that was made until now is no good any more")


@machine_user.command("token")
@click.argument("name")
@click.option("--scope", metavar="'PERMISSION …'", help="Narrow it to these permissions.")
@_namespace_option
@json_option
@project_option
@command
async def token(name: str, scope: str | None, namespace: str | None, as_json: bool) -> None:
    """Make an access token for the API, good for an hour."""
    async with desk() as here:
        made = await here.ask("makeMachineToken", **_who(name, namespace), scope=scope)
        if as_json:
            print_json(made)
            return
        note(f"good for {made['expires_in'] // 60} minutes")
        click.echo(made["access_token"])


@machine_user.command("can")
@click.argument("name")
@click.argument("permission", metavar="RESOURCE:ACTION[:OBJECT]")
@_namespace_option
@json_option
@project_option
@command
async def can(name: str, permission: str, namespace: str | None, as_json: bool) -> int:
    """Whether a machine user may do something; exit 1 if not."""
    from hub.model.actions import ACTIONS
    from hub.model.names import closest

    async with desk() as here:
        asked = await here.ask("canMachineUser", permission=permission, **_who(name, namespace))
    action = ":".join(permission.split(":")[:2])
    if action not in ACTIONS:
        near = closest(action, ACTIONS)
        note(f"the hub itself asks for no {action}" + (f'. Did you mean "{near}"?' if near else "."))
    if as_json:
        print_json(asked)
    else:
        click.echo("yes" if asked["allowed"] else "no")
    return 0 if asked["allowed"] else FAILED


@machine_user.command("keys")
@click.option("--rotate", is_flag=True, help="Sign with a new key from now on.")
@json_option
@project_option
@command
async def keys(rotate: bool, as_json: bool) -> None:
    """The keys that sign access tokens."""
    async with opened() as parts:
        if rotate:
            made = await parts.client.rotate_keys()
            note(f"key {made} signs from now on; tokens of the one before are good until they end")
            return
        show(parts.client.signing_keys(), as_json=as_json, columns=("id", "created_at"))
