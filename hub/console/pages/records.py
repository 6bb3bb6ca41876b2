"""The audit log, and finding a thing by its id or name."""

from __future__ import annotations

import re

from starlette.responses import RedirectResponse, Response

from hub.console.page import SIGNED_IN, Page
from hub.console.rendering import address
from hub.console.visit import Visit
from hub.model.errors import HubError

_PAGE = 50
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_FOUND = 20


async def audit(visit: Visit) -> Response:
    number = visit.place("before")
    page = await visit.client.audit_page(before=number, limit=_PAGE)
    return visit.show("audit.html", records=page.items, before=number, next=page.last)


async def search(visit: Visit) -> Response:
    """An id opens its page; a name is looked for; `path=value` is a question to payloads."""
    asked = (visit.asked("q") or "").strip()
    if "=" in asked:
        return RedirectResponse(address("/console/events", where=asked), status_code=303)
    if _ID.fullmatch(asked.upper()):
        for where, look in (("executions", visit.client.execution), ("events", visit.client.event)):
            try:
                await look(asked.upper())
            except HubError:
                continue
            return RedirectResponse(f"/console/{where}/{asked.upper()}", status_code=303)
    return visit.show("search.html", asked=asked, found=_named(visit, asked.casefold()) if asked else [])


def _named(visit: Visit, part: str) -> list[tuple[str, str, str]]:
    """(name, address, what it is) of whatever has this in its name."""
    found = []
    if visit.may("executor:read"):
        found += [
            (one.name, f"/console/executors/{one.name}", f"executor · {one.description}")
            for one in visit.client.executors()
            if part in f"{one.name} {one.description}".casefold()
        ]
    if visit.may("workflow:read"):
        found += [
            (one.name, address("/console/executions", workflow=one.name), "executions of this workflow")
            for one in visit.client.workflows()
            if part in one.name
        ]
    return found[:_FOUND]


PAGES = (
    Page("/audit", "audit:read", audit),
    Page("/search", SIGNED_IN, search),
)
