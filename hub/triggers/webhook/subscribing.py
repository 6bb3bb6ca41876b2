"""SNS asks, with a signature that holds, whether its topic may send here; it is told so at an address that it names.

https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hub.model.errors import HubError
from hub.triggers.webhook.answer import Answer, retry_later
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.request import Refusal
from hub.triggers.webhook.sns import is_aws_address

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """To be confirmed by a request to its address."""

    address: str
    topic: str


def subscription(message: Any) -> Answer | Subscription | None:
    """What a proven message of SNS is, when it is no notification. Raises Refusal for an address that is not one of AWS."""
    kind, address = message.get("Type"), message.get("SubscribeURL")
    if kind == "UnsubscribeConfirmation":
        return Answer(200)
    if kind != "SubscriptionConfirmation":
        return None
    if not isinstance(address, str) or not is_aws_address(address):
        raise Refusal("key", "SubscribeURL is not an address of SNS")
    return Subscription(address, str(message.get("TopicArn")))


async def subscribe(
    endpoint: Endpoint, asked: Subscription, confirm: Callable[[str], Awaitable[None]] | None
) -> Answer:
    """Confirm it. `confirm` fetches its address, safely; None: nothing may be fetched."""
    if confirm is None:
        log.warning(
            "webhook %s: SNS asks to confirm a subscription, and nothing here may fetch its address", endpoint.name
        )
        return retry_later(503, 60)
    try:
        await confirm(asked.address)
    except HubError as error:
        log.warning("webhook %s: SNS asks to confirm a subscription, and that failed: %s", endpoint.name, error)
        return retry_later(503, 60)
    log.info("webhook %s: the subscription to %s is confirmed", endpoint.name, asked.topic)
    return Answer(200)
