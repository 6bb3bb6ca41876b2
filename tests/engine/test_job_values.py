"""What a job is given and what it gives back: its input, its context, and calls that were meant as results."""

from __future__ import annotations

import asyncio
from functools import partial

from kit import Bench

from hub import Context, job, workflow
from hub.model.errors import InvalidArguments


@job
async def double(input: int) -> int:
    await asyncio.sleep(0)
    return 2 * input


def test_a_missing_input_is_an_empty_object(tell):
    @job
    async def echo(input: dict) -> dict:
        return input

    @job(name="main-job")
    async def main(input: dict) -> list:
        return [input, await echo.trigger(), await echo.trigger(None)]

    async def story(bench: Bench) -> None:
        assert await bench.succeed("empty", None) == [{}, {}, {}]

    tell(story, workflow("empty", main))


def test_where_an_empty_object_does_not_fit_a_missing_input_is_the_default_or_null(tell):
    @job
    async def defaulted(input: int = 7) -> int:
        return input

    @job
    async def optional(input: int | None) -> int | None:
        return input

    @job
    async def required(input: int) -> int:
        return input

    @job(name="main-job")
    async def main(input: dict | None) -> list:
        try:
            await required.trigger()
        except InvalidArguments as error:
            refused = str(error)
        return [input, await defaulted.trigger(), await optional.trigger(None), await defaulted.trigger(8), refused]

    async def story(bench: Bench) -> None:
        assert await bench.succeed("missing", None) == [{}, 7, None, 8, "$: Input should be a valid integer"]
        assert await bench.succeed("defaulted-itself", None) == 7

    tell(story, workflow("missing", main), workflow("defaulted-itself", defaulted))


def test_a_call_given_for_its_result_is_told_from_other_values(tell):
    @job(name="main-job")
    async def main(ctx: Context) -> dict:
        return {"sum": [double.trigger(1)]}

    @job
    async def typed() -> int:
        return double.trigger(1)  # type: ignore[return-value]  # it is what the story is about

    @job
    def given_on() -> int:
        return double.trigger(double.trigger(1)).result()  # type: ignore[arg-type]  # likewise

    @job
    async def invoking(ctx: Context) -> None:
        await ctx.step.invoke(double, 1)  # type: ignore[arg-type]  # likewise

    async def story(bench: Bench) -> None:
        async def error(name: str) -> str:
            found = (await bench.run(name)).error
            return f"{found['type']}: {found['message']}"

        assert (await error("in-a-list")).startswith(
            "NotJson: $.sum[0]: Triggered is not JSON. Write `await` in front of it"
        )
        assert "Input should be a valid integer. Write `await`" in await error("as-a-number")
        assert "in a plain job, `.result()` behind it" in await error("given-on")
        assert "double is a job, not a workflow: write double.trigger(…)" in await error("invoking")

    tell(
        story,
        workflow("in-a-list", main),
        workflow("as-a-number", typed),
        workflow("given-on", given_on),
        workflow("invoking", invoking),
    )


def test_a_step_may_be_anything_that_comes_to_a_result(tell):
    class Adder:
        async def __call__(self, number: int) -> int:
            return number + 1

        async def add(self, number: int) -> int:
            await asyncio.sleep(0)
            return number + 2

    @job(name="main-job")
    async def main(ctx: Context) -> list:
        adder, run = Adder(), ctx.step.run
        found = [
            await run("a method", adder.add, 1),
            await run("a lambda", lambda: adder.add(2)),
            await run("a part", partial(adder.add, 3)),
            await run("an object", adder, 4),
            await run("a job", double, 5),
        ]
        try:
            await run("a result", 5)  # type: ignore[arg-type]  # it is what the story is about
        except TypeError as error:
            found.append(str(error))
        return found

    async def story(bench: Bench) -> None:
        wrong = 'the step "a result" is given int: give it a function, and its arguments behind'
        assert await bench.succeed("steps") == [3, 4, 5, 5, 10, wrong]

    tell(story, workflow("steps", main))


def test_each_try_and_each_caller_has_a_value_of_its_own(tell):
    @job
    async def spoil(input: list) -> list:
        input.append("spoilt")
        return input

    @job(name="main-job")
    async def main() -> list:
        mine = [1]
        theirs = await spoil.trigger(mine)
        return [mine, theirs]

    async def story(bench: Bench) -> None:
        assert await bench.succeed("aliases") == [[1], [1, "spoilt"]]

    tell(story, workflow("aliases", main))


def test_the_context_knows_its_execution(tell):
    @job
    async def inner(ctx: Context) -> list:
        return [ctx.path, ctx.idempotency_key, ctx.attempt, ctx.env]

    @job(name="main-job")
    async def main(ctx: Context) -> list:
        assert ctx.invoker is None
        return [ctx.execution_id, await inner.trigger()]

    async def story(bench: Bench) -> None:
        record = await bench.run("knowing")
        assert record.result == [
            record.id,
            ["main-job/inner", f"{record.id}/main-job/inner", 1, {"region": "eu"}],
        ]

    tell(story, workflow("knowing", main), env={"region": "eu"})
