"""Refused deliveries on their way to the store: a few a second, whatever comes in, and nobody waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hub.model.clock import Clock
from hub.store.refused import LARGEST_BODY, RefusedDelivery
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.redact import stored_headers, stored_query
from hub.triggers.webhook.request import RawRequest, Verdict
from hub.triggers.webhook.sealing import Seal

#: How many of one executor are kept at once, and how many a second after that.
BURST = 50
A_SECOND = 5.0
#: The same for all executors together.
BURST_OF_ALL = 200
A_SECOND_OF_ALL = 20.0


@dataclass(slots=True)
class _Share:
    """A bucket that fills with time."""

    most: float
    rate: float
    left: float
    at: float

    def take(self, seconds: float) -> bool:
        self.left = min(self.most, self.left + (seconds - self.at) * self.rate)
        self.at = seconds
        if self.left < 1:
            return False
        self.left -= 1
        return True


class RefusedKeeper:
    """What an intake calls for each delivery that it refuses."""

    def __init__(
        self,
        keep: Callable[[RefusedDelivery], None],
        clock: Clock,
        seal: Seal,
        endpoints: Callable[[], Mapping[str, Endpoint]],
    ) -> None:
        self._keep = keep
        self._clock = clock
        self._seal = seal
        self._endpoints = endpoints
        self._shares: dict[str, _Share] = {}
        self._all = _Share(BURST_OF_ALL, A_SECOND_OF_ALL, BURST_OF_ALL, clock.monotonic())

    def __call__(self, name: str, verdict: Verdict, request: RawRequest) -> None:
        seconds = self._clock.monotonic()
        share = self._shares.setdefault(name, _Share(BURST, A_SECOND, BURST, seconds))
        endpoint = self._endpoints().get(name)
        if endpoint is not None and share.take(seconds) and self._all.take(seconds):
            self._keep(refused_delivery(endpoint, verdict, request, self._clock.now(), self._seal))


def refused_delivery(
    endpoint: Endpoint, verdict: Verdict, request: RawRequest, now: int, seal: Seal
) -> RefusedDelivery:
    """A refused request as it is kept: readable without its credentials, whole under the seal."""
    path, _, query = request.url.partition("?")
    try:
        names = stored_query(query, endpoint.secret_parameters)
    except ValueError:
        names = {}
    return RefusedDelivery(
        endpoint.name,
        now,
        request.method,
        path + ("?" + "&".join(f"{name}={value}" for name, value in names.items()) if names else ""),
        stored_headers(request, endpoint.secret_headers),
        request.body[:LARGEST_BODY],
        max(len(request.body), _declared(request)),
        verdict.step,
        verdict.reason,
        seal.close(request),
    )


def _declared(request: RawRequest) -> int:
    """How long the body is said to be: what is turned away by its head is not read."""
    length = next(iter(request.values(b"content-length")), b"")
    return int(length[:9]) if length.isdigit() else 0
