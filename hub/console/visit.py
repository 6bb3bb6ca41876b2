"""One request of one person: who it is, what the page may ask, and how it is answered."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hub.client import Client
from hub.console.installation import Installation
from hub.console.proof import FIELD, form_proof
from hub.console.rendering import environment
from hub.model.identity import Principal, allows
from hub.triggers.webhook.peer import peer_address

#: Holds what the next page says of the last act, until it is shown.
SAID = "hub-said"
_LONGEST_SAID = 400
#: Digits of a place in a list: what fits 64 bits.
_LONGEST = 18


def number(text: str | None) -> int | None:
    """A number that a place in a list can have; None for any other text."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= _LONGEST else None


@dataclass(slots=True)
class Visit:
    request: Request
    installation: Installation
    #: Acts as the person.
    client: Client
    person: Principal
    #: The session's secret, from which the proof of its forms is derived.
    secret: str
    form: FormData = field(default_factory=FormData)

    @property
    def now(self) -> int:
        return self.installation.clock.now()

    @property
    def part(self) -> bool:
        """Whether a piece of the page is asked for, by htmx."""
        return self.request.headers.get("hx-request") == "true"

    def asked(self, name: str) -> str | None:
        """A value of the address's query; None when it is empty."""
        return self.request.query_params.get(name) or None

    def place(self, name: str) -> int | None:
        """A number of the address's query, where a list goes on; None when there is none that anything could have."""
        return number(self.asked(name))

    def text(self, name: str) -> str:
        """A field of the form that was sent; empty when there is none."""
        found = self.form.get(name)
        return found if isinstance(found, str) else ""

    @property
    def address(self) -> str:
        """Where the request came from."""
        return str(peer_address(self.request.scope, self.installation.trusted) or "")

    def named(self, name: str) -> str:
        """A part of the path."""
        found: str = self.request.path_params[name]
        return found

    def may(self, action: str, name: str | None = None) -> bool:
        return allows(self.person, action, name)

    def show(self, template: str, code: int = 200, **values: Any) -> Response:
        """A page, or a piece of one."""
        said = self.request.cookies.get(SAID)
        text = environment().get_template(template).render(self.frame(said) | values)
        response = HTMLResponse(text, status_code=code)
        if said is not None and not self.part:
            response.delete_cookie(SAID, path="/console", httponly=True, samesite="strict")
        return response

    def back(self, where: str, said: str, *, bad: bool = False) -> Response:
        """After an act: the page where it is seen, which says what was done."""
        response = RedirectResponse(where, status_code=303)
        text = ("-" if bad else "+") + said[:_LONGEST_SAID]
        encoded = base64.urlsafe_b64encode(text.encode()).decode()
        response.set_cookie(
            SAID, encoded, path="/console", httponly=True, samesite="strict", secure=self.installation.secure
        )
        return response

    def frame(self, said: str | None = None) -> dict[str, Any]:
        return {
            "visit": self,
            "now": self.now,
            "person": self.person,
            "installation": self.installation,
            "here": self.request.url.path,
            "proof_field": FIELD,
            "proof": form_proof(self.secret) if self.secret else "",
            "said": _decoded(said),
        }


def _decoded(said: str | None) -> tuple[bool, str] | None:
    """(bad, text) of what the last act came to."""
    if said is None:
        return None
    try:
        text = base64.urlsafe_b64decode(said.encode()).decode()
    except ValueError:
        return None
    return text.startswith("-"), text[1:]
