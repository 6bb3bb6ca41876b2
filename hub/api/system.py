"""What a hub says of itself: alive, ready, its own description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import PlainTextResponse

from hub.api.openapi import document
from hub.api.operations import PUBLIC, Call, Operation
from hub.api.problems import answer
from hub.api.readiness import Readiness
from hub.api.schemas import TEXT, array, shape

_READY = shape(status={"enum": ["ready", "not ready"]}, reasons=array(TEXT))


def system_operations(readiness: Readiness, described: Sequence[Operation], url: str) -> tuple[Operation, ...]:
    """Health, readiness and the OpenAPI document of these operations and the ones made here."""

    async def healthz(_call: Call) -> Any:
        return PlainTextResponse("ok\n")

    async def readyz(_call: Call) -> Any:
        ready, report = await readiness.report()
        return answer(report, 200 if ready else 503)

    async def openapi(_call: Call) -> Any:
        return document([*described, *made], url)

    made = (
        Operation(
            method="GET",
            path="/healthz",
            id="isAlive",
            summary="Whether the process answers.",
            action=PUBLIC,
            handle=healthz,
            answer={"type": "string", "const": "ok\n"},
            answer_type="text/plain",
        ),
        Operation(
            method="GET",
            path="/readyz",
            id="isReady",
            summary="Whether the hub can do its work now, and why not.",
            action=PUBLIC,
            handle=readyz,
            answer=_READY,
            problems={503: "Not ready; the reasons are in the answer."},
        ),
        Operation(
            method="GET",
            path="/openapi.json",
            id="describeApi",
            summary="This document.",
            action=PUBLIC,
            handle=openapi,
            answer={"type": "object"},
        ),
    )
    return made
