"""Verbs that make two things durable at once: a main job with the end of its execution, a start with the call of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.model.errors import Fenced
from hub.model.execution import Settled, Started, StartRequest, Status
from hub.model.values import canonical
from hub.store.checkpoints import CallWrite, finish_calls
from hub.store.contents import Content, keep
from hub.store.dialects.base import Tx
from hub.store.executions import insert_executions, settle_executions
from hub.store.fence import claim_stands
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class Finish:
    """A claim comes to its end."""

    #: The main job as it ended; None: it never came so far.
    main: CallWrite | None
    settled: Settled
    #: A large result of both.
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class NestedStart:
    """A running execution starts another one."""

    request: StartRequest
    #: The call in the running one. Its result will be the id of the other one.
    call: CallWrite


def _finish(tx: Tx, items: Sequence[Finish]) -> list[Status | Exception]:
    """Both carry the same epoch: the one is refused when the other is."""
    finish_calls(tx, [item.main for item in items if item.main is not None])
    answers = settle_executions(tx, [item.settled for item in items])
    for item, answer in zip(items, answers, strict=True):
        if item.content is not None and not isinstance(answer, Exception):
            keep(tx, [item.content], item.settled.at)
    return answers


def _start_nested(tx: Tx, items: Sequence[NestedStart]) -> list[Started | Exception]:
    """Nothing is started for a claim that is over, and nothing is started twice by a call that is run again."""
    answers: list[Started | Exception] = []
    tx.hold([item.call.execution_id for item in items])
    for item in items:
        call = item.call
        if not claim_stands(tx, call.execution_id, call.epoch):
            answers.append(Fenced(call.execution_id))
            continue
        (started,) = insert_executions(tx, [item.request])
        finish_calls(tx, [call._replace(checkpoint=call.checkpoint._replace(result=canonical(started.id)))])
        answers.append(started)
    return answers


FINISH: Verb[Finish, Status] = Verb("finish", _finish, rings=("settled",), order=2)
START_NESTED: Verb[NestedStart, Started] = Verb("start_nested", _start_nested, rings=("executions",), order=1)
