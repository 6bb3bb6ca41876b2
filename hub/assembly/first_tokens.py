"""Notion's key, which comes unsigned before there is a secret: kept in a file for the operator, who is told where it is."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from hub.model.clock import Clock

log = logging.getLogger(__name__)

#: Seconds between two tokens of one executor that are written: anybody can send one.
_BETWEEN = 1.0
#: How many are kept, the newest last. Notion takes only its own.
_MOST = 10


class FirstTokens:
    """Writes each token to `var/EXECUTOR.first-tokens`, and names the file in the log, never the token."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._written: dict[str, float] = {}

    def __call__(self, executor: str, token: str) -> None:
        seconds = self._clock.monotonic()
        if seconds - self._written.get(executor, -_BETWEEN) < _BETWEEN:
            return
        self._written[executor] = seconds
        path = self._folder / f"{executor}.first-tokens"
        try:
            self._write(path, token)
        except OSError as error:
            log.error("webhook %s: Notion's verification token cannot be written to %s: %s", executor, path, error)  # noqa: TRY400 - the message says it all
            return
        log.warning(
            "webhook %s: Notion's verification token is the last line of %s. Give it to Notion, and to the executor as its secret.",
            executor,
            path,
        )

    def _write(self, path: Path, token: str) -> None:
        """Into place as a whole: whoever reads it finds no half of one."""
        known = path.read_text("ascii").split() if path.exists() else []
        lines = [*(line for line in known if line != token), token][-_MOST:]
        fresh = path.with_name(f"{path.name}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        fresh.replace(path)
