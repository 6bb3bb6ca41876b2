"""The keys that sign access tokens: made for each installation, in a file that nobody else can read.

The file stays out of the store, so that a copy of the database lets nobody make tokens. Where several machines serve one
store, they need the same file.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from hub.model.clock import Clock
from hub.model.errors import BadInput

#: Of a new one; and what HS256 takes at least (RFC 7518, 3.2).
_KEY_BYTES, _LEAST_BYTES = 64, 32
#: The newest signs; the one before is believed until its tokens have ended.
_KEPT = 2


@dataclass(frozen=True, slots=True)
class Key:
    #: The `kid` of tokens.
    id: str
    key: bytes = field(repr=False)
    created_at: int


@dataclass(frozen=True, slots=True)
class Keys:
    """What is in the file: the newest key first."""

    #: The `iss` of tokens: another installation's are not believed, whatever key they are signed with.
    installation: str
    keys: tuple[Key, ...]


class KeyFile:
    """The file. It is read again when it has changed."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._read: tuple[tuple[int, int, int], Keys] | None = None

    def load(self) -> Keys:
        """The keys; a first one is made when there is no file. Raises BadInput when others can read it, it is damaged, or cannot be made."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._write(Keys(secrets.token_hex(16), (self._new(),)), fresh=True)
            status = self._path.stat()
        if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
            raise BadInput(
                f"{self._path} holds the keys of access tokens and can be read by other users of this machine. Run: "
                f"chmod 600 {self._path}, then `hub machine-user keys --rotate`, since somebody may have read them."
            )
        mark = (status.st_mtime_ns, status.st_ino, status.st_size)
        if self._read is None or self._read[0] != mark:
            self._read = (mark, self._parse(self._path.read_bytes()))
        return self._read[1]

    def rotate(self) -> Keys:
        """A new key signs from now on; the last one's tokens are good until they end, older ones' are not any more."""
        now = self.load()
        self._write(Keys(now.installation, (self._new(), *now.keys)[:_KEPT]), fresh=False)
        return self.load()

    def _new(self) -> Key:
        return Key(secrets.token_hex(8), secrets.token_bytes(_KEY_BYTES), self._clock.now())

    def _write(self, keys: Keys, *, fresh: bool) -> None:
        """Put into place whole. Of two processes that make the first one, one wins and both use it. Raises BadInput."""
        try:
            self._put(keys, fresh=fresh)
        except OSError as error:
            raise BadInput(f"{self._path} cannot be written: {error.strerror}.") from error

    def _put(self, keys: Keys, *, fresh: bool) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = self._path.with_name(f"{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        listed = [
            {"id": one.id, "key": base64.b64encode(one.key).decode(), "created_at": one.created_at} for one in keys.keys
        ]
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"installation": keys.installation, "keys": listed}, file)
                file.flush()
                os.fsync(file.fileno())
            if not fresh:
                made.replace(self._path)
                return
            try:
                os.link(made, self._path)
            except FileExistsError:
                return
        finally:
            made.unlink(missing_ok=True)

    def _parse(self, raw: bytes) -> Keys:
        try:
            found = json.loads(raw)
            keys = tuple(
                Key(str(one["id"]), base64.b64decode(one["key"], validate=True), int(one["created_at"]))
                for one in found["keys"]
            )
            installation = str(found["installation"])
        except (ValueError, KeyError, TypeError):
            keys, installation = (), ""
        if not keys or not installation or any(len(one.key) < _LEAST_BYTES for one in keys):
            raise BadInput(
                f"{self._path} does not hold keys of {_LEAST_BYTES} bytes or more; remove it, and new ones are made."
            )
        return Keys(installation, keys[:_KEPT])
