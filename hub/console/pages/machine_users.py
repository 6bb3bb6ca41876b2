"""Machine users: whom executions act as, their rights and which of them are used, their secrets."""

from __future__ import annotations

from starlette.responses import Response

from hub.client.machine_users import MadeSecret
from hub.console.page import Page
from hub.console.visit import Visit

_HERE = "/console/machine-users"


async def machine_users(visit: Visit, made: MadeSecret | None = None) -> Response:
    return visit.show("machine_users.html", users=await visit.client.machine_users(), made=made)


async def new_secret(visit: Visit) -> Response:
    """It is shown once, on the page that answers: it is in no cookie, no log and no address."""
    made = await visit.client.new_secret(visit.named("name"), visit.named("namespace"))
    return await machine_users(visit, made)


async def revoke(visit: Visit) -> Response:
    name, secret = visit.named("name"), visit.text("secret")
    await visit.client.revoke_secret(name, secret, visit.named("namespace"))
    return visit.back(
        _HERE, f"The secret {secret} of {name} is no good any more, nor are tokens that were got with it."
    )


PAGES = (
    Page("/machine-users", "machine-user:read", machine_users),
    Page("/machine-users/{namespace}/{name}/secret", "machine-user:rotate", new_secret, method="POST"),
    Page("/machine-users/{namespace}/{name}/revoke", "machine-user:rotate", revoke, method="POST"),
)
