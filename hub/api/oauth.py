"""`POST /oauth2/token`: a machine user's secret for an access token (RFC 6749, 4.4), and who holds one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from hub.api.operations import PUBLIC, Call, Operation
from hub.api.problems import answer
from hub.api.schemas import TEXT, shape
from hub.client import Client
from hub.model.errors import BadInput, TooManyTries, Unauthenticated
from hub.model.identity import Principal
from hub.triggers.webhook.body import media_type
from hub.triggers.webhook.endpoint import Network
from hub.triggers.webhook.peer import peer_address

FORM = "application/x-www-form-urlencoded"

_MOST_FIELDS = 20


class Refusal(Exception):
    """An error response of RFC 6749, 5.2."""

    def __init__(self, error: str, text: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        self.error = error
        self.text = text
        self.status = status
        self.headers = dict(headers or {})
        super().__init__(text)


class Tokens:
    """The token endpoint and the check of bearer tokens, which share the count of wrong tries."""

    def __init__(self, client: Client, trusted: Sequence[Network] = ()) -> None:
        """`trusted` are proxies that say where a request comes from."""
        self._client = client
        self._trusted = trusted

    def _address_of(self, request: Request) -> str:
        found = peer_address(request.scope, self._trusted)
        return "" if found is None else str(found)

    async def verify(self, token: str, request: Request) -> Principal:
        """Who holds a bearer token. Raises Unauthenticated or TooManyTries."""
        return await self._client.authenticate(token, address=self._address_of(request))

    def operation(self) -> Operation:
        """The endpoint, declared."""
        return Operation(
            method="POST",
            path="/oauth2/token",
            id="getToken",
            summary="Exchange a machine user's client id and secret for an access token: OAuth 2.0 client credentials.",
            action=PUBLIC,
            handle=self._handle,
            body=_FORM,
            body_type=FORM,
            answer=_TOKEN,
            refused=_REFUSED,
            problems={
                400: "`invalid_request`, `unsupported_grant_type` or `invalid_scope`.",
                401: "`invalid_client`: the client id or the secret is wrong.",
                429: "Too many wrong tries came from there, or were about that client id. Try again later.",
                503: "The store could not be asked in time. Try again later.",
            },
        )

    async def _handle(self, call: Call) -> Response:
        request: Request = call.request
        try:
            return _fresh(await self._exchange(request, call.body))
        except Refusal as refusal:
            document = {"error": refusal.error, "error_description": refusal.text}
            return _fresh(document, refusal.status, refusal.headers)

    async def _exchange(self, request: Request, body: bytes) -> Mapping[str, Any]:
        form = _read_form(request, body)
        client_id, secret = _credentials(request, form)
        grant = form.get("grant_type")
        if grant is None:
            raise Refusal("invalid_request", "grant_type is missing: it must be client_credentials.")
        if grant != "client_credentials":
            raise Refusal("unsupported_grant_type", "grant_type must be client_credentials.")
        try:
            made = await self._client.exchange(
                client_id, secret, scope=form.get("scope"), address=self._address_of(request)
            )
        except Unauthenticated as error:
            raise Refusal("invalid_client", str(error), 401, _CHALLENGE) from None
        except TooManyTries as error:
            raise Refusal("temporarily_unavailable", str(error), 429, {"retry-after": str(error.seconds)}) from None
        except BadInput as error:
            raise Refusal("invalid_scope", str(error)) from None
        given: dict[str, Any] = {"access_token": made.token, "token_type": "Bearer", "expires_in": made.lifetime}
        if made.scope is not None:
            given["scope"] = " ".join(made.scope)
        return given


def _read_form(request: Request, body: bytes) -> Mapping[str, str]:
    if media_type(request.headers.get("content-type", "").encode("latin-1")) != FORM:
        raise Refusal("invalid_request", f"the body must be {FORM}.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refusal("invalid_request", "the body is no form.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Refusal("invalid_request", "a parameter is given more than once.")
    # Sent without a value it counts as not sent (RFC 6749, 3.2).
    return {name: value for name, value in form.items() if value}


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """By HTTP Basic or in the form, and not both (RFC 6749, 2.3)."""
    given = request.headers.getlist("authorization")
    if not given:
        if "client_id" not in form or "client_secret" not in form:
            raise Refusal("invalid_client", "client_id and client_secret are needed.", 401, _CHALLENGE)
        return form["client_id"], form["client_secret"]
    scheme, _, encoded = given[0].partition(" ")
    if len(given) > 1 or "client_secret" in form:
        raise Refusal("invalid_request", "credentials are given in two ways at once.")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8") if scheme.lower() == "basic" else ""
    except (ValueError, binascii.Error):
        pair = ""
    name, colon, secret = pair.partition(":")
    if not colon:
        raise Refusal("invalid_client", "the Authorization header holds no Basic credentials.", 401, _CHALLENGE)
    client_id = unquote_plus(name)
    if form.get("client_id", client_id) != client_id:
        raise Refusal("invalid_request", "client_id is not the one of the Authorization header.")
    return client_id, unquote_plus(secret)


def _fresh(document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return answer(document, status, {**(headers or {}), "pragma": "no-cache"})


_CHALLENGE = {"www-authenticate": 'Basic realm="hub", charset="UTF-8"'}
_FORM = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"const": "client_credentials"},
        "client_id": {**TEXT, "description": "NAME, or NAMESPACE/NAME where several have one; or by HTTP Basic."},
        "client_secret": {**TEXT, "description": "What `hub machine-user secret` has printed."},
        "scope": {**TEXT, "description": "Permissions to narrow the token to, separated by spaces."},
    },
}
_TOKEN = shape(access_token=TEXT, token_type={"const": "Bearer"}, expires_in={"type": "integer"})
_REFUSED = shape(error=TEXT, error_description=TEXT)
