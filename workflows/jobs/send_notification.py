"""send-notification: tell a customer something, once."""

from __future__ import annotations

from pydantic import BaseModel

from hub import Context, RetryPolicy, job


class Message(BaseModel):
    order_id: int
    recipient: str
    message: str


class Notification(BaseModel):
    #: The key under which it was sent; the same for every try.
    key: str
    recipient: str


# A retry policy of the job itself: it alone is tried again, before the execution's own policy has its turn.
@job(retry=RetryPolicy(max_retries=3, initial_backoff="200ms", max_backoff="2s"))
def send_notification(input: Message, ctx: Context) -> Notification:
    """Write the message into the table that the shop's mailer reads.

    If the hub is killed after the row is written and before the job's result is stored, the job runs a second time. The
    key is the same then, so the row is not written twice. A mail or payment service takes such a key in a header, usually
    called Idempotency-Key.
    """
    ctx.database("shop").run(
        "INSERT INTO notifications (idempotency_key, order_id, recipient, message) "
        "VALUES (:key, :order_id, :recipient, :message) ON CONFLICT (idempotency_key) DO NOTHING",
        key=ctx.idempotency_key,
        **input.model_dump(),
    )
    return Notification(key=ctx.idempotency_key, recipient=input.recipient)
