"""One batch, one transaction: what both writers do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from hub.store.dialects.base import Connection, NotNew, StoreBroken, StoreBusy, StoreInDoubt
from hub.store.verbs import Bell, Probe, Verb, no_bell, no_probe

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Operation:
    """A verb and its item on the way to the database."""

    verb: Verb[Any, Any]
    item: Any
    #: Hands the result, or the exception, back to the caller. None: nobody waits.
    done: Callable[[Any], None] | None = None
    #: Monotonic seconds after which the caller has gone; None: it waits for ever.
    deadline: float | None = None
    result: Any = field(default=None, repr=False)


class Committer:
    """Applies batches on the one connection."""

    def __init__(self, connection: Connection, *, probe: Probe = no_probe, bell: Bell = no_bell) -> None:
        self.connection = connection
        self.bell = bell
        #: Told of every batch that is durable, with the seconds that it took (`hub.store.witness`).
        self.witnesses: list[Callable[[Sequence[Operation], float], None]] = []
        self._probe = probe
        #: The batch of a commit whose answer was lost. Its results are there, and hold if the commit happened.
        self._in_doubt: Sequence[Operation] = ()

    def commit(self, batch: Sequence[Operation]) -> None:
        """Make the whole batch durable and leave a result in each operation.

        An operation that fails by itself does not take the others with it. Raises StoreBusy when nothing could be
        written, StoreInDoubt when that is not known, StoreBroken when storage failed. After the first two the same batch can be
        handed over again; what is in doubt is looked up first, and not written twice.
        """
        begun = perf_counter()
        if self._in_doubt:
            batch = self._without_what_happened(batch)
            if not batch:
                return
        try:
            self._together(batch)
        except StoreInDoubt:
            self._in_doubt = list(batch)
            self.connection.rollback()
            raise
        except (StoreBusy, StoreBroken):
            self.connection.rollback()
            raise
        except Exception:
            self.connection.rollback()
            if len(batch) == 1:
                raise
            try:
                self._apart(batch)
            except StoreInDoubt:
                self._in_doubt = list(batch)
                raise
        self._ring(batch, perf_counter() - begun)

    def _without_what_happened(self, batch: Sequence[Operation]) -> Sequence[Operation]:
        happened = self.connection.verdict()
        doubtful, self._in_doubt = self._in_doubt, ()
        if not happened:
            return batch
        self._ring(doubtful, 0.0)
        done = set(map(id, doubtful))
        return [operation for operation in batch if id(operation) not in done]

    def _ring(self, batch: Sequence[Operation], seconds: float) -> None:
        for topic in {topic for operation in batch for topic in operation.verb.rings}:
            try:
                self.bell(topic)
            except Exception:
                log.exception('a listener to "%s" failed; what was committed is committed', topic)
        for witness in self.witnesses:
            try:
                witness(batch, seconds)
            except Exception:
                log.exception("a witness failed; what was committed is committed")

    def _together(self, batch: Sequence[Operation]) -> None:
        try:
            self._once(batch)
        except NotNew:
            self.connection.rollback()
            self._once(batch)

    def _once(self, batch: Sequence[Operation]) -> None:
        groups: dict[Verb[Any, Any], list[Operation]] = {}
        for operation in batch:
            groups.setdefault(operation.verb, []).append(operation)
        names = [verb.name for verb in groups]
        transaction = self.connection.begin()
        for verb, operations in sorted(groups.items(), key=_order):
            results = verb.apply(transaction, [operation.item for operation in operations])
            for operation, result in zip(operations, results, strict=True):
                operation.result = result
        self._probe("before", names)
        self.connection.commit()
        self._probe("after", names)

    def _apart(self, batch: Sequence[Operation]) -> None:
        """Again, each in a savepoint of its own: one of them cannot be applied."""
        names = list({operation.verb.name: None for operation in batch})
        transaction = self.connection.begin()
        try:
            for operation in sorted(batch, key=lambda one: one.verb.order):
                self.connection.savepoint()
                try:
                    (operation.result,) = operation.verb.apply(transaction, [operation.item])
                    self.connection.release()
                except (StoreBusy, StoreBroken):
                    raise
                except Exception as error:  # noqa: BLE001 - it belongs to the one caller and is raised there
                    self.connection.rollback_to()
                    operation.result = error
            self._probe("before", names)
            self.connection.commit()
            self._probe("after", names)
        except BaseException:
            self.connection.rollback()
            raise


def _order(group: tuple[Verb[Any, Any], list[Operation]]) -> int:
    return group[0].order
