"""fetch-customer: who ordered, and for how much."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from hub import Context, NonRetryable, job


class OrderRef(BaseModel):
    """Which order it is about: `{"orderId": 7}`, as executors/order-created-workflow.yaml sends it."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    order_id: int = Field(alias="orderId")


class Customer(BaseModel):
    """The customer of an order, with what the order comes to."""

    name: str
    email: str
    total: float


# A plain function runs in a thread, so it may block.
@job
def fetch_customer(input: OrderRef, ctx: Context) -> Customer:
    """Read the customer from the shop's database. The result is stored: it is read once per execution."""
    rows = ctx.database("shop").rows(
        "SELECT c.name, c.email, o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = :id",
        id=input.order_id,
    )
    if not rows:
        # Trying again would not help: the execution fails at once, and says why.
        raise NonRetryable(f"there is no order {input.order_id} in the shop")
    ctx.log.info("order %s was made by %s", input.order_id, rows[0]["name"])
    return Customer.model_validate(rows[0])
