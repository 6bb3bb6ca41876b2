"""Secrets that are in use, so that no text that is kept or shown holds one.

A secret is known by its value from the moment in which somebody is given it. Whatever a job then logs, raises, hands on or gives
back is looked through: as it is, as JSON, as Python shows it, in an address, and in base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

from hub.model.errors import BadInput

HIDDEN = "********"

#: Shorter ones would make holes in texts that have nothing to do with them; and prove nothing anyway.
SHORTEST = 8


def too_short(name: str) -> str:
    """What to tell of a secret that is not hidden."""
    return (
        f"the secret {name} has fewer than {SHORTEST} characters and is not hidden in logs, errors and results: "
        "take a longer one."
    )


class SecretShown(BadInput):
    """A secret stands in what would be stored with an execution, for everybody to read who may see that."""


class Hiding:
    """Used from every thread: what it knows only grows, and is replaced as a whole."""

    def __init__(self, tell: Callable[[str], None] = lambda _sentence: None) -> None:
        """`tell` is told of each secret that is too short to be hidden."""
        self._tell = tell
        self._forms: tuple[str, ...] = ()
        self._known: set[str] = set()
        #: Names of secrets that are too short to be hidden.
        self.short: frozenset[str] = frozenset()

    def learn(self, secret: str, name: str = "") -> None:
        """From now on this value is hidden; where it is too short for that, it is said once."""
        if len(secret) < SHORTEST:
            if name and name not in self.short:
                self.short |= {name}
                self._tell(too_short(name))
            return
        if secret in self._known:
            return
        self._known.add(secret)
        # The longest first: what holds another one is hidden whole.
        self._forms = tuple(sorted({*self._forms, *_forms(secret)}, key=lambda form: (-len(form), form)))

    def hide(self, text: str) -> str:
        """The text, with asterisks where a secret stood."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text

    def hide_in(self, value: Any) -> Any:
        """A JSON value, with every text of it looked through."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {self.hide(key): self.hide_in(item) for key, item in value.items()}
        return [self.hide_in(item) for item in value] if isinstance(value, list) else value

    def refuse(self, what: str, text: str) -> None:
        """Raise SecretShown when a secret stands in a text that would be stored: `what` is "the result is"."""
        for form in self._forms:
            if form in text:
                raise SecretShown(
                    f"{what} not stored: a secret stands in it, and whoever may see the execution would read it. "
                    "Hand on the secret's name, and read it with ctx.secret where it is used."
                )


def _forms(secret: str) -> set[str]:
    """As it is, and as it looks in JSON, in JSON within JSON, as Python shows it, in an address, and in base64 from each of the
    three places where it can begin.
    """
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, repr(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1]}
    for _ in range(2):
        forms |= {json.dumps(form, ensure_ascii=plain)[1:-1] for form in forms for plain in (True, False)}
    forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    for lead in range(3):
        # Only the characters that depend on nothing but the secret.
        first, last = -(-8 * lead // 6), (8 * (lead + len(raw))) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(bytes(lead) + raw).decode()[first:last])
    return {form for form in forms if len(form) >= SHORTEST}
