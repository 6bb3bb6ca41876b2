"""Whether and when to try again: pure decisions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from hub.engine.policies import LONGEST_BACKOFF, RetryPolicy
from hub.model.errors import BadInput, Conflict, NonRetryable, NotFound, OutcomeUnknown, Refused

#: Trying these again changes nothing: somebody has to mend something first.
_HOPELESS = (NonRetryable, BadInput, Conflict, NotFound, OutcomeUnknown, Refused)


def may_retry(policy: RetryPolicy | None, error: BaseException, retries: int) -> bool:
    """Whether a failure after `retries` retries is worth another one."""
    if policy is None or retries >= policy.max_retries or isinstance(error, _HOPELESS):
        return False
    return isinstance(error, policy.retry_on) and not isinstance(error, policy.never_on)


def backoff(policy: RetryPolicy, retries: int, seed: str, spread: int = 0) -> int:
    """Milliseconds to wait before retry number `retries + 1`.

    Full jitter: any part of the capped exponential, so that many failures do not come back together. The same seed
    gives the same wait, so that a history explains itself. With `spread` it is a part of at least so many milliseconds.
    """
    growth = min(policy.backoff_multiplier, LONGEST_BACKOFF) ** retries  # more would not be a number any more
    ceiling = max(spread, min(policy.max_backoff, policy.initial_backoff * growth))
    return round(random.Random(f"{seed}/{retries}").uniform(0, ceiling))  # noqa: S311 - spreads load, guards nothing


def wait_before(policy: RetryPolicy, retries: int, seed: str, error: BaseException, now: int) -> int:
    """Milliseconds before the next try: the backoff, behind what the failed system asked for.

    What it asked for is the least. The jitter comes on top, and is the wider the longer that is, up to `max_backoff`: those
    who were sent away together do not come back together.
    """
    asked = asked_for(error, now) or 0
    return asked + backoff(policy, retries, seed, min(policy.max_backoff, asked // 4))


def asked_for(error: BaseException, now: int) -> int | None:
    """Milliseconds for which an error asks to be left alone, at most a day; None: it does not say.

    By an attribute `retry_after`, in seconds or as a timedelta, or by the header Retry-After of its `response`, as errors of
    HTTP clients have one (RFC 9110, 10.2.3: seconds or a date). The errors behind it count too.
    """
    for one in _chain(error):
        asked = _milliseconds(getattr(one, "retry_after", None), now)
        if asked is None:
            headers = getattr(getattr(one, "response", None), "headers", None)
            asked = None if headers is None else _milliseconds(_header(headers), now)
        if asked is not None:
            return min(max(asked, 0), LONGEST_BACKOFF)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    behind: BaseException | None = error
    while behind is not None and id(behind) not in seen:
        seen.add(id(behind))
        yield behind
        behind = behind.__cause__ or behind.__context__


def _header(headers: Any) -> Any:
    for name in ("retry-after", "Retry-After"):  # plain dicts tell cases apart
        try:
            found = headers.get(name)
        except Exception:  # noqa: BLE001 - whatever it is, it is no mapping
            return None
        if found is not None:
            return found
    return None


def _milliseconds(asked: Any, now: int) -> int | None:
    if isinstance(asked, timedelta):
        return round(asked.total_seconds() * 1000)
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        return round(min(max(asked, 0), LONGEST_BACKOFF) * 1000) if asked == asked else None  # noqa: PLR0124 - not NaN
    if not isinstance(asked, str):
        return None
    text = asked.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]), LONGEST_BACKOFF) * 1000
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    aware: datetime = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000) - now
