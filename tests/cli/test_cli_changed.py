"""A workflow is changed while executions of it are parked: `hub check` and `hub workflow changed` say what that means."""

from __future__ import annotations

from cli_kit import Hub, serving

BEFORE = """\
from hub import Context, job, workflow


@job
async def price(input: int) -> int:
    return 10 * input


@job
async def order(ctx: Context) -> int:
    found = await price.trigger(1)
    return found + await ctx.step.wait_for_signal("paid")


ordering = workflow(name="ordering", main_job=order)
"""


def test_check_names_what_needs_a_person_at_the_workflow(hub: Hub) -> None:
    code = hub.root / "workflows/ordering.py"
    code.write_text(BEFORE)
    started = hub.json("workflow", "start", "ordering", "-m", "anonymous")
    while hub.json("workflow", "executions", started["id"])["status"] != "WAITING":
        assert hub("workflow", "wait", started["id"], "-t", "200ms").status == 3
    assert hub("check").status == 0
    assert hub.json("workflow", "changed") == []

    code.write_text(BEFORE.replace("10 * input", "11 * input"))
    (judged,) = hub.json("workflow", "changed")
    assert set(judged) == {"execution_id", "workflow", "status", "began_with", "revision", "verdict", "reason"}
    assert (judged["execution_id"], judged["verdict"]) == (started["id"], "compatible")
    ran = hub("check")
    assert ran.status == 0
    assert "1 execution began before its workflow was changed" in ran.err

    code.write_text(BEFORE.replace("trigger(1)", "trigger(2)"))
    assert hub.json("workflow", "changed")[0]["verdict"] == "needs a person"
    ran = hub("check", "--json")
    (problem,) = ran.json
    assert (ran.status, problem["file"], problem["line"]) == (1, "workflows/ordering.py", 15)
    assert started["id"] in problem["message"]
    assert "needs a person" in problem["message"]
    with serving(hub.root):  # it looks once it has started
        while "needs a person" not in hub.json("workflow", "executions", "-n", "ordering")[0]["reason"]:
            pass
