"""What happens in the demo, and what has to become of it."""

from __future__ import annotations

import asyncio
import contextlib

from hub.cli.demo.crash import killed_and_resumed
from hub.cli.demo.example import SYNC
from hub.cli.demo.orders import ORDERS, event_of, place
from hub.cli.demo.senders import Answer, github_headers, post, push
from hub.cli.demo.stage import Stage
from hub.cli.demo.supplier import PAGES
from hub.model.clock import iso
from hub.model.durations import spoken
from hub.model.event import Event, Outcome

_GITHUB, _PLAIN = "github-push", "webhook-workflow"
_ACCEPTED, _UNAUTHORISED = 202, 401
#: A slot in less than this many milliseconds comes before the server is killed.
_NEAR = 4_000


async def play(stage: Stage) -> None:
    """All acts, in order. Raises DemoFailed when one cannot go on."""
    telling = stage.telling
    telling.act("A project and its server")
    stage.apply_shop_sql()
    telling.say(f"a copy of the example in {stage.folder}, the shop's tables from config/shop.sql")
    at = iso(stage.slot.at)
    if stage.slot.live:
        telling.say(f"in this copy the nightly sync is due at {at}, the next minute that is left for it")
    else:
        telling.say(
            f"its store knows the nightly sync since before {at}, as if it had been set up yesterday and switched off"
        )
    took = await stage.start_server()
    telling.good(f"hub serve answers at {stage.server.address}, {took} ms after its start (process {stage.server.pid})")
    counting = asyncio.create_task(_count_down(stage))
    try:
        await _acts(stage)
        await the_books(stage)
    finally:
        counting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await counting
        telling.arrived()


async def _acts(stage: Stage) -> None:
    """The schedule has its turn when its slot comes, only not when the server is being killed."""
    shown = not stage.slot.live
    if shown:
        await a_slot_of_the_schedule(stage)
    await rows_in_the_shop(stage)
    await webhooks(stage)
    if not shown and stage.slot.at - stage.parts.clock.now() < _NEAR:
        await a_slot_of_the_schedule(stage)
        shown = True
    await killed_and_resumed(stage)
    if not shown:
        await a_slot_of_the_schedule(stage)


async def rows_in_the_shop(stage: Stage) -> None:
    """Two orders by plain SQL: one is worth a workflow."""
    telling = stage.telling
    telling.act("Rows in the shop's database")
    for total, expected in ((240.0, Outcome.STARTED), (40.0, Outcome.FILTERED)):
        number = place(stage, total)
        event = await event_of(stage, number)
        await _meet(stage, f"an order over {total:.2f}", ORDERS, event.id, expected)


async def webhooks(stage: Stage) -> None:
    """GitHub signs what it sends; the other sender knows an address."""
    telling = stage.telling
    telling.act("Webhooks over HTTP")
    url, body = await stage.url(_GITHUB), push("main")
    headers = github_headers(body, stage.secret)
    telling.say(f"POST {url}, signed as GitHub signs")
    first = await _post(stage, url, body, headers)
    await _meet(stage, "a signed push to main", _GITHUB, first.event_id, Outcome.STARTED)

    again = await asyncio.to_thread(post, url, body, headers)
    telling.quiet("the same delivery again: the same answer, and nothing new is started")
    stage.ledger.turned_away("the same delivery again", _GITHUB, "repeated", f"answered {again.status} as before")
    said = f"it was answered {again.status} {again.body}"
    stage.ledger.check("a repeated delivery gets the first one's answer", again == first, said)

    forged = await asyncio.to_thread(post, url, body, github_headers(body, "not the secret"))
    telling.quiet(f"a push with a forged signature: answered {forged.status}; hub webhook rejected would show it")
    stage.ledger.turned_away("a forged push", _GITHUB, "refused", f"answered {forged.status}: the signature is wrong")
    stage.ledger.check(
        "a forged push is refused", forged.status == _UNAUTHORISED, f"it was answered {forged.status} {forged.body}"
    )

    branch = push("a-branch")
    other = await _post(stage, url, branch, github_headers(branch, stage.secret))
    await _meet(stage, "a signed push to a branch", _GITHUB, other.event_id, Outcome.FILTERED)

    url = await stage.url(_PLAIN)
    telling.say(f"POST {url[: url.rindex('/')]}/…, whose token is the secret")
    plain = await _post(stage, url, b'{"hello": "world"}', {})
    await _meet(stage, "a plain webhook", _PLAIN, plain.event_id, Outcome.STARTED)


async def a_slot_of_the_schedule(stage: Stage) -> None:
    """The nightly sync copies the supplier's catalogue, page by page."""
    slot, telling = stage.slot, stage.telling
    telling.act("A slot of the schedule")
    if slot.live:
        await _wait_for_slot(stage)
    else:
        telling.say(f"this hub was off at {iso(slot.at)}: the missed night is made up for (missed: latest)")

    async def ask() -> Event | None:
        found = (await stage.client.events_page(executor=SYNC)).items
        return next((event for event, _ in found if event.key == iso(slot.at)), None)

    event = await stage.until(ask, f"the slot of {iso(slot.at)}")
    late = event.received_at - slot.at
    said = f"fired {spoken(late)} after its instant" if slot.live else f"caught up {spoken(late)} after its instant"
    telling.say(f"the slot of {iso(slot.at)}: {said}")
    stage.ledger.schedule = {
        "slot": iso(slot.at),
        "received_at": iso(event.received_at),
        "late_ms": late,
        "live": slot.live,
        "said": said,
    }
    what = "the nightly sync" if slot.live else "last night's sync"
    await _meet(stage, what, SYNC, event.id, Outcome.STARTED)


async def the_books(stage: Stage) -> None:
    """What stands in the databases at the end, however it came about."""
    shop, ledger = stage.shop, stage.ledger
    started = sum(1 for one in ledger.happenings if one.executor == ORDERS and one.status is not None)
    rows = shop.rows("SELECT count(*) AS n, count(DISTINCT order_id) AS orders FROM notifications")[0]
    told = f"{rows['n']} notifications for {rows['orders']} orders"
    ledger.check("each processed order's customer was told once", rows["n"] == rows["orders"] == started, told)
    for table, count in (("pushes", 2), ("inbox", 1), ("products", 2 * PAGES)):
        (row,) = shop.rows(f"SELECT count(*) AS n FROM {table}")
        ledger.check(f"{count} rows in {table}", row["n"] == count, f"there are {row['n']}")
    asked = stage.supplier.asked
    ledger.check("each page of the catalogue was fetched once", asked == [*range(1, PAGES + 1)], f"fetched: {asked}")
    ledger.check("the server is up", stage.server.answers(), f"it does not answer: see {stage.server.log}")


async def _meet(stage: Stage, what: str, executor: str, event_id: str, expected: Outcome) -> None:
    delivery = await stage.delivery(executor, event_id)
    if delivery.execution_id is None:
        stage.telling.quiet(f"{what}: {delivery.outcome.value}, {delivery.reason}")
        stage.ledger.met(what, delivery, None, expected)
        return
    stage.telling.say(f"{what}: {delivery.outcome.value} by {executor}")
    stage.ledger.met(what, delivery, await stage.follow(delivery.execution_id), expected)


async def _post(stage: Stage, url: str, body: bytes, headers: dict[str, str]) -> Answer:
    """Send what must be accepted."""
    answer = await asyncio.to_thread(post, url, body, headers)
    stage.ledger.check(
        f"POST {url.split('/')[4]} is answered {_ACCEPTED}",
        answer.status == _ACCEPTED,
        f"it was answered {answer.status} {answer.body}",
    )
    return answer


async def _wait_for_slot(stage: Stage) -> None:
    clock, at = stage.parts.clock, stage.slot.at
    while (left := at - clock.now()) > 0:
        stage.telling.waited(f"the nightly sync is due at {iso(at)},", left)
        await clock.sleep(min(left, 500) / 1000)


async def _count_down(stage: Stage) -> None:
    """Move the bar, beside everything else."""
    clock, at = stage.parts.clock, stage.slot.at
    whole = at - clock.now()
    while stage.slot.live and (left := at - clock.now()) > 0:
        stage.telling.waiting(f"nightly sync due at {iso(at)[11:19]} UTC", left, whole)
        await clock.sleep(0.2)
    stage.telling.arrived()
