"""Verbs of what the store knows about executors: URL tokens and pauses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.store.dialects.base import Tx
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class TokenOffer:
    """A token for an executor's URL, used unless it has one."""

    executor: str
    token: str


@dataclass(frozen=True, slots=True)
class Pause:
    executor: str
    paused: bool


@dataclass(frozen=True, slots=True)
class Apply:
    """Executors that are in effect from now on, as (name, hash), and those that are not any more."""

    put: tuple[tuple[str, str], ...]
    gone: tuple[str, ...]


def _offer(tx: Tx, items: Sequence[TokenOffer]) -> list[str]:
    answers = []
    for item in items:
        tx.run(
            "INSERT INTO webhook_tokens (executor, token) VALUES (?, ?) ON CONFLICT (executor) DO NOTHING",
            (item.executor, item.token),
        )
        answers.append(tx.rows("SELECT token FROM webhook_tokens WHERE executor = ?", (item.executor,))[0][0])
    return answers


def _pause(tx: Tx, items: Sequence[Pause]) -> list[None]:
    for item in items:
        tx.run(
            "INSERT INTO executor_states (executor, paused) VALUES (?, ?) "
            "ON CONFLICT (executor) DO UPDATE SET paused = excluded.paused",
            (item.executor, int(item.paused)),
        )
    return [None] * len(items)


def _apply(tx: Tx, items: Sequence[Apply]) -> list[None]:
    for item in items:
        for name, definition in item.put:
            tx.run(
                "INSERT INTO executor_states (executor, paused, definition) VALUES (?, 0, ?) "
                "ON CONFLICT (executor) DO UPDATE SET definition = excluded.definition",
                (name, definition),
            )
        for name in item.gone:
            # One that comes back is paused as it was.
            tx.run("UPDATE executor_states SET definition = NULL WHERE executor = ?", (name,))
    return [None] * len(items)


def pause_look(executor: str) -> Callable[[Tx], str | None]:
    """Whether a person has paused it."""

    def look(tx: Tx) -> str:
        found = tx.rows("SELECT paused FROM executor_states WHERE executor = ?", (executor,))
        return "paused" if found and found[0][0] else "active"

    return look


OFFER_TOKEN: Verb[TokenOffer, str] = Verb("offer_token", _offer)
APPLY: Verb[Apply, None] = Verb("apply", _apply)
PAUSE: Verb[Pause, None] = Verb("pause", _pause, rings=("executors",))
