"""process-order: the main job of order-processing."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from hub import Context, job
from workflows.jobs.fetch_customer import OrderRef, fetch_customer
from workflows.jobs.send_notification import send_notification


class Receipt(BaseModel):
    """What the execution results in."""

    order_id: int
    customer: str
    notified: str


@job(name="process-order")
async def process_order(input: OrderRef, ctx: Context) -> Receipt:
    """Look up the customer, mark the order as processed, tell the customer.

    A job that triggers others may be run again from its top, after a restart or a retry. Jobs that have finished are
    not run again then: `.trigger()` hands back their stored results. So the calls have to be the same each time; whatever
    may differ (a clock, a random number, a row that somebody changes) belongs inside a job, as in fetch-customer.
    """
    customer = await fetch_customer.trigger(input)

    # Work between two calls is done again, too, so it must not matter how often. The database's calls block, which
    # an async job must not do: they go to a thread.
    shop = ctx.database("shop")
    await asyncio.to_thread(shop.run, "UPDATE orders SET status = 'processed' WHERE id = :id", id=input.order_id)
    ctx.log.info("order %s is processed", input.order_id)

    message = f"Dear {customer.name}, your order {input.order_id} over {customer.total:.2f} is on its way."
    notification = await send_notification.trigger(
        {"order_id": input.order_id, "recipient": customer.email, "message": message}
    )
    return Receipt(order_id=input.order_id, customer=customer.name, notified=notification.recipient)
