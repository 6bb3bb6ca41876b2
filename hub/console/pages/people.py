"""People: who signs in to this console, invitations, roles."""

from __future__ import annotations

from starlette.responses import Response

from hub.client.people import claim_address
from hub.console.page import Page
from hub.console.visit import Visit
from hub.model.identity import ROLES

_HERE = "/console/people"


async def people(visit: Visit) -> Response:
    return visit.show("people.html", people=await visit.client.people(), roles=list(ROLES), invitation=None)


async def invite(visit: Visit) -> Response:
    """The address is shown once, on the page that answers: it is in no cookie, no log and no other address."""
    name = visit.text("name").strip()
    secret = await visit.client.invite_person(name, visit.text("role"))
    shown = claim_address(visit.installation.address, secret)
    found = await visit.client.people()
    return visit.show("people.html", people=found, roles=list(ROLES), invitation=(name, shown))


async def role(visit: Visit) -> Response:
    name, wanted = visit.text("name"), visit.text("role")
    await visit.client.set_role(name, wanted)
    return visit.back(_HERE, f"{name} is {wanted} now.")


async def remove(visit: Visit) -> Response:
    name = visit.text("name")
    await visit.client.remove_person(name)
    return visit.back(_HERE, f"{name} cannot sign in any more.")


PAGES = (
    Page("/people", "person:manage", people),
    Page("/people/invite", "person:manage", invite, method="POST"),
    Page("/people/role", "person:manage", role, method="POST"),
    Page("/people/remove", "person:manage", remove, method="POST"),
)
