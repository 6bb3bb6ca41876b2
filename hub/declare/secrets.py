"""`${env:NAME}` and `${secret:NAME}`: where their values come from, and how they are filled in.

A secret's value is never part of a message, and once it is filled in it is a `Secret`, which does not show itself.
"""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, SupportsIndex

from hub.declare.document import Where, shown
from hub.declare.reading import read_file
from hub.model.errors import ConfigError, NotFound
from hub.model.executor import Position, Problem
from hub.model.names import closest

SECRETS_FILE = "config/secrets.yaml"

_HIDDEN = "********"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$\{(env|secret):([A-Za-z_][A-Za-z0-9_]*)\}")
# What was probably meant as a reference. `${env.region}` is JavaScript, and no `${word: …}` is.
_ALMOST = re.compile(r"\$\{\s*(?:env|secret)s?\s*:(?:[^}\n]*\})?", re.IGNORECASE)


class Secret:
    """A text that does not show itself: printing, formatting, JSON and pickling give nothing away. `reveal()` does."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Ask for it where it is used, and keep the result in no record, message or log."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN})"

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a secret is not pickled; hand on its name and look it up where it is used")


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Secrets by name: the process environment first, then config/secrets.yaml."""

    environment: Mapping[str, str]
    file: Mapping[str, str]
    #: Whether the file has a mistake that leaves none of it to be trusted. An empty secret is missing, and no such mistake.
    spoiled: bool = False

    def find(self, name: str) -> Secret | None:
        """The secret of that name; None when there is none or it is empty."""
        text = self.environment.get(name) or self.file.get(name)
        return Secret(text) if text else None

    def get(self, name: str) -> Secret:
        """The secret of that name. Raises NotFound with the closest name."""
        if (found := self.find(name)) is None:
            near = closest(name, self.names())
            raise NotFound("secret", name, None if near is None else [near])
        return found

    def names(self) -> set[str]:
        return {*self.environment, *self.file}

    def __repr__(self) -> str:
        return f"Secrets({len(self.file)} in {SECRETS_FILE})"


def load_secrets(root: Path, environment: Mapping[str, str] | None = None) -> tuple[Secrets, list[Problem]]:
    """The project's secrets, and what is wrong with config/secrets.yaml. A missing file is fine."""
    environment = os.environ if environment is None else environment
    path = root / SECRETS_FILE
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Secrets(environment, {}), []
    except OSError:
        mode = None
    problems = []
    if mode is not None and os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        text = f"other users of this machine may read or change the secrets; run: chmod 600 {SECRETS_FILE}"
        problems.append(Problem(Position(SECRETS_FILE), text))
    document = read_file(path, SECRETS_FILE, as_text=True)
    if document.complete and not isinstance(document.value, dict):
        problems.append(
            Problem(document.at(()), "expected a mapping with one line for each secret, such as NAME: text")
        )
    found: dict[str, str] = {}
    empty: list[Problem] = []
    for name, value in document.value.items() if isinstance(document.value, dict) else ():
        if not isinstance(value, str):
            if (name,) not in document.holes:
                problems.append(
                    Problem(document.at((name,)), "a secret is a text; write NAME: text, one for each line")
                )
        elif _NAME.fullmatch(name) is None:
            rule = "letters, digits and _, not beginning with a digit"
            problems.append(Problem(document.key_at((name,)), f"this is not a secret's name: use {rule}"))
        elif not value:
            text = f"the secret {shown(name)} is empty; give it a value or remove it"
            empty.append(Problem(document.key_at((name,)), text))
        else:
            found[name] = value
    problems += document.problems
    return Secrets(environment, found, spoiled=bool(problems)), sorted([*problems, *empty])


def fill(value: Any, env: Mapping[str, str], secrets: Secrets, *, at: Callable[[Where], Position]) -> Any:
    """A copy of `value` with every reference filled in; a text that a secret went into is a `Secret`.

    `at` says where a part of the value stands in its file. Raises ConfigError with every reference that has no value.
    """
    filled, problems = try_fill(value, env, secrets, at=at)
    if problems:
        raise ConfigError(problems)
    return filled


def try_fill(
    value: Any, env: Mapping[str, str], secrets: Secrets, *, at: Callable[[Where], Position]
) -> tuple[Any, list[Problem]]:
    """Like `fill`, with the problems beside the value; a text with an unknown reference stays as it is written."""
    problems: list[Problem] = []

    def walk(part: Any, where: Where) -> Any:
        if isinstance(part, Mapping):
            return {key: walk(item, (*where, key)) for key, item in part.items()}
        if isinstance(part, list | tuple):
            return [walk(item, (*where, index)) for index, item in enumerate(part)]
        if not isinstance(part, str) or "${" not in part:
            return part
        missing = [Problem(at(where), message) for message in _faults(part, env, secrets)]
        problems.extend(missing)
        return part if missing else _filled(part, env, secrets)

    return walk(value, ()), problems


def references(value: Any, where: Where = ()) -> Iterator[tuple[Where, str, str]]:
    """Every reference in a value: where it stands, "env" or "secret", and its name."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(item, (*where, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from references(item, (*where, index))
    elif isinstance(value, str) and "${" in value:
        for kind, name in _REFERENCE.findall(value):
            yield where, kind, name


def beside_references(text: str) -> str:
    """What of a text is neither a reference nor nearly one, which is told of when it is filled in."""
    return _ALMOST.sub("", _REFERENCE.sub("", text))


def revealed(value: Any) -> Any:
    """A copy of `value` with every `Secret` as plain text."""
    if isinstance(value, Mapping):
        return {key: revealed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [revealed(item) for item in value]
    return value.reveal() if isinstance(value, Secret) else value


def _faults(text: str, env: Mapping[str, str], secrets: Secrets) -> Iterator[str]:
    for kind, name in dict.fromkeys(_REFERENCE.findall(text)):
        if kind == "env" and name not in env:
            yield f"the environment has no {name}.{_hint(name, env)} Set it, or replace ${{env:{name}}}."
        elif kind == "secret" and secrets.find(name) is None:
            where = f"Set it in the environment or in {SECRETS_FILE}."
            yield f"there is no secret {name}.{_hint(name, secrets.names())} {where}"
    if _ALMOST.search(_REFERENCE.sub("", text)):
        yield "this is not a reference; write ${env:NAME} or ${secret:NAME}, with letters, digits and _ in the name"


def _hint(name: str, known: Mapping[str, str] | set[str]) -> str:
    near = closest(name, (one for one in known if one != name))
    return "" if near is None else f' Did you mean "{near}"?'


def _filled(text: str, env: Mapping[str, str], secrets: Secrets) -> str | Secret:
    """One pass from left to right: a value that looks like a reference is not filled in again."""
    secret = False

    def replace(found: re.Match[str]) -> str:
        nonlocal secret
        if found[1] == "env":
            return env[found[2]]
        secret = True
        return secrets.get(found[2]).reveal()

    whole = _REFERENCE.sub(replace, text)
    return Secret(whole) if secret else whole
