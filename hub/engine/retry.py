"""Whether and when to try again: pure decisions."""

from __future__ import annotations

import random

from hub.engine.policies import RetryPolicy
from hub.model.errors import BadInput, Conflict, NonRetryable, NotFound, Refused

#: Trying these again changes nothing: somebody has to mend something first.
_HOPELESS = (NonRetryable, BadInput, Conflict, NotFound, Refused)


def may_retry(policy: RetryPolicy | None, error: BaseException, retries: int) -> bool:
    """Whether a failure after `retries` retries is worth another one."""
    if policy is None or retries >= policy.max_retries or isinstance(error, _HOPELESS):
        return False
    return isinstance(error, policy.retry_on) and not isinstance(error, policy.never_on)


def backoff(policy: RetryPolicy, retries: int, seed: str) -> int:
    """Milliseconds to wait before retry number `retries + 1`.

    Full jitter: any part of the capped exponential, so that many failures do not come back together. The same seed
    gives the same wait, so that a history explains itself.
    """
    ceiling = min(policy.max_backoff, policy.initial_backoff * policy.backoff_multiplier**retries)
    return round(random.Random(f"{seed}/{retries}").uniform(0, ceiling))  # noqa: S311 - spreads load, guards nothing
