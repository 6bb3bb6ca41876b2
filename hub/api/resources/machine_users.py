"""Machine users: whom executions act as, their secrets and tokens, and what they may do."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import DECLARED, declared, paged
from hub.api.schemas import NAME, TEXT, TEXT_OR_NULL, TEXTS, YES_NO, ref, shape
from hub.views.installation import machine_user_view


async def list_machine_users(call: Call) -> Any:
    rows = [machine_user_view(one) for one in await call.client.machine_users()]
    return declared("machine-users", rows, call.query, "auth_namespace", "name")


async def make_secret(call: Call) -> Any:
    made = await call.client.new_secret(call.path["name"], call.body.get("namespace"))
    return {"id": made.id, "client_id": made.client_id, "client_secret": made.secret}


async def revoke_secret(call: Call) -> Any:
    gone = await call.client.revoke_secret(call.path["name"], call.path["id"], call.query.get("namespace"))
    return {"revoked": gone}


async def revoke_everything(call: Call) -> Any:
    return {"revoked": await call.client.revoke_secret(call.path["name"], None, call.query.get("namespace"))}


async def make_token(call: Call) -> Any:
    made = await call.client.make_token(call.path["name"], call.body.get("namespace"), call.body.get("scope"))
    return {"access_token": made.token, "token_type": "Bearer", "expires_in": made.lifetime}


async def can(call: Call) -> Any:
    name, permission = call.path["name"], call.query["permission"]
    allowed = call.client.can(name, permission, call.query.get("namespace"))
    return {"machine_user": name, "permission": permission, "allowed": allowed}


_NAMESPACE = Parameter("namespace", TEXT, "Its auth namespace, where several have a machine user of this name.")
_NAMESPACE_MEMBER = {**TEXT_OR_NULL, "description": _NAMESPACE.description}
_BY_NAME: dict[str, Any] = {"names": "name", "path_schemas": {"name": NAME, "id": TEXT}}
_AMBIGUOUS = {422: "Several auth namespaces have one of this name: say which."}

MACHINE_USERS = (
    Operation(
        method="GET",
        path="/api/v1/machine-users",
        id="listMachineUsers",
        summary="The machine users and their permissions.",
        action="machine-user:read",
        handle=list_machine_users,
        query=DECLARED,
        answer=paged(ref("MachineUser")),
    ),
    Operation(
        method="GET",
        path="/api/v1/machine-users/{name}/can",
        id="canMachineUser",
        summary="Whether a machine user may do something.",
        action="machine-user:read",
        handle=can,
        storeless=True,
        query=(
            Parameter(
                "permission", TEXT, "`resource:action`, to anything at all, or `resource:action:NAME`.", required=True
            ),
            _NAMESPACE,
        ),
        answer=shape(machine_user=TEXT, permission=TEXT, allowed=YES_NO),
        problems={422: "This is no action, or several auth namespaces have one of this name."},
        **_BY_NAME,
    ),
    Operation(
        method="POST",
        path="/api/v1/machine-users/{name}/secrets",
        id="makeMachineSecret",
        summary="A secret for POST /oauth2/token, shown this once. Two can be good at the same time.",
        action="machine-user:rotate",
        handle=make_secret,
        body={"type": "object", "properties": {"namespace": _NAMESPACE_MEMBER}, "additionalProperties": False},
        status=201,
        answer=ref("MachineSecret"),
        problems={409: "Two are good already: revoke one first."},
        **_BY_NAME,
    ),
    Operation(
        method="DELETE",
        path="/api/v1/machine-users/{name}/secrets/{id}",
        id="revokeMachineSecret",
        summary="Let a secret be no good any more, and the tokens that were got with it.",
        action="machine-user:rotate",
        handle=revoke_secret,
        query=(_NAMESPACE,),
        answer=shape(revoked=TEXTS),
        problems=_AMBIGUOUS,
        **_BY_NAME,
    ),
    Operation(
        method="DELETE",
        path="/api/v1/machine-users/{name}/secrets",
        id="revokeMachineUser",
        summary="Let every secret and every token of a machine user be no good any more.",
        action="machine-user:rotate",
        handle=revoke_everything,
        query=(_NAMESPACE,),
        answer=shape(revoked=TEXTS),
        problems=_AMBIGUOUS,
        **_BY_NAME,
    ),
    Operation(
        method="POST",
        path="/api/v1/machine-users/{name}/tokens",
        id="makeMachineToken",
        summary="An access token without a secret, for whoever may make one.",
        action="machine-user:token",
        handle=make_token,
        body={
            "type": "object",
            "properties": {
                "namespace": _NAMESPACE_MEMBER,
                "scope": {**TEXT_OR_NULL, "description": "Permissions to narrow it to, separated by spaces"},
            },
            "additionalProperties": False,
        },
        status=201,
        answer=ref("AccessToken"),
        **_BY_NAME,
    ),
)
