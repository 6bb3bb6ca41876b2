"""The server is killed in the middle of an execution, and started again."""

from __future__ import annotations

from hub.cli.demo.ledger import Resumption
from hub.cli.demo.orders import ORDERS, event_of, place
from hub.cli.demo.stage import DemoFailed, Stage
from hub.model.event import Delivery, Outcome
from hub.model.execution import Checkpoint, ExecutionRecord, JobStatus, Status

_FIRST, _SECOND = "process-order/fetch-customer", "process-order/send-notification"
_TOTAL = 960.0
_KILL = 9

_SLOW_MAILER = (
    """
    CREATE VIEW hundred_million AS
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000000) SELECT n FROM numbers
    """,
    "CREATE TRIGGER slow_mailer BEFORE INSERT ON notifications BEGIN SELECT count(*) FROM hundred_million; END",
)
_QUICK_MAILER = ("DROP TRIGGER slow_mailer", "DROP VIEW hundred_million")


async def killed_and_resumed(stage: Stage) -> None:
    """One job of an order is done, the next one is at it: that is when the server dies."""
    telling = stage.telling
    telling.act("kill -9 in the middle of an execution")
    delivery, before = await _killed(stage)
    done = {job.path: job for job in before.jobs if job.status is JobStatus.SUCCESS}
    telling.bad(f"process {stage.server.pid} is dead. The store holds: {_told(before)}")
    pid = stage.server.pid

    took = await stage.start_server()
    telling.good(f"a new server answers, {took} ms after its start (process {stage.server.pid})")
    after = await stage.follow(before.id, known=done)
    stage.ledger.met("an order whose server is killed", delivery, after, Outcome.STARTED)
    same = [job.path for job in after.jobs if job == done.get(job.path)]
    stage.ledger.resumption = Resumption(
        before.id,
        pid,
        _KILL,
        list(done),
        same,
        {job.path: job.attempts for job in after.jobs if job.path not in same},
        after.status.value,
    )
    telling.quiet(f"not run again, its stored result was used: {', '.join(same) or 'none'}")
    stage.ledger.check("jobs that were done are not run again", same == list(done) != [], _told(after))
    lines = [line for _, line in await stage.client.logs(before.id) if line.path == _FIRST]
    stage.ledger.check("fetch-customer has spoken once", len(lines) == 1, f"it has written {len(lines)} lines")


async def _killed(stage: Stage) -> tuple[Delivery, ExecutionRecord]:
    """Kill the server while an order's second job is at it; the order's delivery, and what the store holds then.

    The job is slow because the shop is: a trigger makes the table of notifications take many seconds for a row.
    """
    stage.run_sql(*_SLOW_MAILER)
    stage.telling.say("the shop's table of notifications becomes slow: a trigger counts to a hundred million")
    number = place(stage, _TOTAL)
    event = await event_of(stage, number)
    delivery = await stage.delivery(ORDERS, event.id)
    if delivery.execution_id is None:
        raise DemoFailed(f"order {number} started nothing: {delivery.reason}")
    first = await _job(stage, delivery.execution_id, _FIRST, JobStatus.SUCCESS)
    stage.telling.good(f"{_FIRST}  {(first.finished_at or 0) - first.started_at} ms, its result is stored")
    await _job(stage, delivery.execution_id, _SECOND, JobStatus.RUNNING)
    stage.telling.say(f"{_SECOND} has begun")
    signal = stage.server.kill()
    stage.ledger.check(f"the server dies of signal {_KILL}", signal == _KILL, f"it died of {signal}")
    stage.run_sql(*_QUICK_MAILER)
    before = await stage.client.execution(delivery.execution_id)
    stage.ledger.check("the execution is in the middle", before.status is Status.RUNNING, _told(before))
    return delivery, before


async def _job(stage: Stage, execution_id: str, path: str, status: JobStatus) -> Checkpoint:
    """A job of the execution, once it has come so far."""

    async def ask() -> Checkpoint | None:
        record = await stage.client.execution(execution_id)
        return next((job for job in record.jobs if job.path == path and job.status is status), None)

    return await stage.until(ask, f"{path} {status.value}")


def _told(record: ExecutionRecord) -> str:
    jobs = ", ".join(f"{job.path} {job.status.value}" for job in record.jobs)
    return f"{record.workflow} {record.status.value}; {jobs}"
