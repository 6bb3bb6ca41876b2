"""What fails in the tests of the engine: as often as a test says, and then no more."""

from __future__ import annotations

from hub import Context, RetryPolicy, job

POLICY = RetryPolicy(max_retries=2, initial_backoff="10s", max_backoff="1m")


def failing(times: int, calls: list):
    """A workflow whose second job fails some times; `calls` sees each try of both."""

    @job
    async def first() -> int:
        calls.append("first")
        return 1

    @job
    async def second(ctx: Context) -> int:
        calls.append("second")
        if calls.count("second") <= times:
            raise ConnectionError("no answer")
        return 2

    @job(name="main-job")
    async def main(ctx: Context) -> list:
        return [await first.trigger(), await second.trigger(), ctx.attempt]

    return main


class Flaky:
    """A foreign system: fails as often as it is told, and counts."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.calls
