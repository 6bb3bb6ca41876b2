"""The doors: sign in, claim a hub or an invitation, sign out."""

from __future__ import annotations

import re

from starlette.responses import RedirectResponse, Response

from hub.client.people import SHORTEST_PASSWORD, SignedIn
from hub.console.page import PUBLIC, SIGNED_IN, Page
from hub.console.sessions import forget_session, keep_session
from hub.console.visit import Visit
from hub.model.errors import BadInput, TooManyTries, Unauthenticated
from hub.model.identity import ANONYMOUS

_HOME = "/console"
#: Pages of the console that one may have wanted to see before one signed in.
_INSIDE = re.compile(r"/console(?:/(?!sign-|claim/)[\w-]+)+(?:\?[\w=&%.+-]*)?", re.ASCII)
#: Whoever is invited has a name already; the verb wants one all the same.
_INVITED = "somebody"


async def door(visit: Visit) -> Response:
    if visit.person is not ANONYMOUS:
        return RedirectResponse(_HOME, status_code=303)
    return await _sign_in_page(visit, next=visit.asked("next") or "")


async def sign_in(visit: Visit) -> Response:
    name, password = visit.text("name").strip(), visit.text("password")
    try:
        signed_in = await visit.client.sign_in(name, password, address=visit.address)
    except Unauthenticated as error:
        return await _sign_in_page(visit, 401, next=visit.text("next"), name=name, wrong=str(error))
    except TooManyTries as error:
        return await _sign_in_page(visit, 429, next=visit.text("next"), name=name, wrong=str(error))
    return _welcome(visit, signed_in, visit.text("next"))


async def claim_page(visit: Visit) -> Response:
    return await _claim_page(visit)


async def claim(visit: Visit) -> Response:
    token, name = visit.named("token"), visit.text("name").strip()
    claimed = await visit.client.is_claimed()
    try:
        signed_in = await visit.client.accept_invitation(
            token, _INVITED if claimed else name, visit.text("password"), address=visit.address
        )
    except BadInput as error:
        return await _claim_page(visit, 422, name=name, wrong=str(error))
    except Unauthenticated as error:
        return await _claim_page(visit, 401, name=name, wrong=str(error))
    except TooManyTries as error:
        return await _claim_page(visit, 429, name=name, wrong=str(error))
    return _welcome(visit, signed_in, "")


async def sign_out(visit: Visit) -> Response:
    await visit.client.sign_out(visit.secret)
    response = RedirectResponse(f"{_HOME}/sign-in", status_code=303)
    forget_session(response, secure=visit.installation.secure)
    return response


async def _sign_in_page(visit: Visit, code: int = 200, *, next: str, name: str = "", wrong: str = "") -> Response:
    claimed = await visit.client.is_claimed()
    return visit.show("sign_in.html", code, claimed=claimed, next=next, name=name, wrong=wrong)


async def _claim_page(visit: Visit, code: int = 200, *, name: str = "", wrong: str = "") -> Response:
    claimed = await visit.client.is_claimed()
    return visit.show("claim.html", code, claimed=claimed, name=name, wrong=wrong, shortest=SHORTEST_PASSWORD)


def _welcome(visit: Visit, signed_in: SignedIn, wanted: str) -> Response:
    """A new session, always with a new secret; and only addresses of this console are gone to."""
    response = RedirectResponse(wanted if _INSIDE.fullmatch(wanted) else _HOME, status_code=303)
    keep_session(response, signed_in.session, secure=visit.installation.secure)
    return response


PAGES = (
    Page("/sign-in", PUBLIC, door),
    Page("/sign-in", PUBLIC, sign_in, method="POST"),
    Page("/claim/{token}", PUBLIC, claim_page),
    Page("/claim/{token}", PUBLIC, claim, method="POST"),
    Page("/sign-out", SIGNED_IN, sign_out, method="POST"),
)
