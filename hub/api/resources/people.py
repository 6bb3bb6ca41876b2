"""People: who may sign in to the console, and what they may do there."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation
from hub.api.paging import paged, whole
from hub.api.schemas import NAME, TEXT, one_of, ref, shape
from hub.model.identity import ROLES
from hub.views.installation import person_view


async def list_people(call: Call) -> Any:
    return whole([person_view(one) for one in await call.client.people()])


async def invite_person(call: Call) -> Any:
    name = call.body["name"]
    secret = await call.client.invite_person(name, call.body.get("role", "viewer"))
    return {"name": name, "address": await call.client.claim_address(secret)}


async def set_role(call: Call) -> Any:
    name, role = call.path["name"], call.body["role"]
    await call.client.set_role(name, role)
    return {"name": name, "role": role}


async def remove_person(call: Call) -> Any:
    await call.client.remove_person(call.path["name"])
    return {"name": call.path["name"]}


_ROLE = one_of(ROLES)
_BY_NAME: dict[str, Any] = {"path_schemas": {"name": NAME}}
_LAST = {409: "It is the only admin."}

PEOPLE = (
    Operation(
        method="GET",
        path="/api/v1/people",
        id="listPeople",
        summary="Who may sign in to the console, by name.",
        action="person:manage",
        handle=list_people,
        answer=paged(ref("Person")),
    ),
    Operation(
        method="POST",
        path="/api/v1/people",
        id="invitePerson",
        summary="Invite somebody, or let somebody set a new password: a one-time address, shown this once.",
        action="person:manage",
        handle=invite_person,
        body={
            "type": "object",
            "required": ["name"],
            "properties": {"name": NAME, "role": {**_ROLE, "description": "Without it, viewer"}},
            "additionalProperties": False,
        },
        status=201,
        answer=shape(name=NAME, address=TEXT),
    ),
    Operation(
        method="POST",
        path="/api/v1/people/{name}/role",
        id="setRole",
        summary="Give somebody another role. It holds from their next click on.",
        action="person:manage",
        handle=set_role,
        body={"type": "object", "required": ["role"], "properties": {"role": _ROLE}, "additionalProperties": False},
        answer=shape(name=NAME, role=_ROLE),
        problems=_LAST,
        **_BY_NAME,
    ),
    Operation(
        method="DELETE",
        path="/api/v1/people/{name}",
        id="removePerson",
        summary="Let somebody in no more. Their sessions end at once.",
        action="person:manage",
        handle=remove_person,
        answer=shape(name=NAME),
        problems=_LAST,
        **_BY_NAME,
    ),
)
