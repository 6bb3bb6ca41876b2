"""Orders in the shop's database, by plain SQL."""

from __future__ import annotations

from hub.cli.demo.stage import Stage
from hub.model.event import Event

#: The executor that waits for orders.
ORDERS = "order-created-workflow"
_CUSTOMER = 1
_INSERT = "INSERT INTO orders (customer_id, total) VALUES (:customer, :total) RETURNING id"


def place(stage: Stage, total: float) -> int:
    """Somebody orders; the order's number."""
    with stage.shop.transaction() as shop:
        (row,) = shop.rows(_INSERT, customer=_CUSTOMER, total=total)
    stage.telling.say(f"INSERT INTO orders (customer_id, total) VALUES ({_CUSTOMER}, {total})")
    return int(row["id"])


async def event_of(stage: Stage, number: int) -> Event:
    """The event that the row became."""

    async def ask() -> Event | None:
        found = (await stage.client.events_page(executor=ORDERS)).items
        return next((event for event, _ in found if event.payload["new"]["id"] == number), None)

    return await stage.until(ask, f"the event of order {number}")
