"""A real server whose project is partly broken: it says where, the broken part waits, and all the rest works."""

from __future__ import annotations

from hub_process import Project, until
from server_projects import lay_out, put_executor, start

HOOK = {"trigger": {"webhook": {}}}
GITHUB = {"trigger": {"webhook": {"verify": {"preset": "github", "secret": "${secret:GITHUB}"}}}}
BENT = """name: bent
trigger: {webhook: {}
target: {workflow: {workflow_name: echoing, invoker: anonymous}}
"""
UNKNOWN = """name: unknown
trigger: {webhook: {}, conditon: "false"}
target: {workflow: {workflow_name: echoing, invoker: anonymous}}
"""


def test_a_broken_executor_waits_for_its_file_and_the_others_work(project: Project) -> None:
    lay_out(project, fine=HOOK, bent=HOOK, unknown=HOOK, secretless=GITHUB)
    paths = {name: project.webhook_path(name) for name in ("fine", "bent", "unknown")}
    put_executor(project, "bent", BENT)
    put_executor(project, "unknown", UNKNOWN)
    with project.serving() as hub:
        said = [line for line in hub.log.splitlines() if not line.startswith("{")]
        assert 'executors/bent.yaml:3:1: a "," or "}" is missing here' in said
        assert 'executors/unknown.yaml:2:24: unknown key "conditon". Did you mean "condition"?' in said
        assert any(line.startswith("executors/secretless.yaml:1:") and "GITHUB" in line for line in said), said
        for name in ("bent", "unknown"):
            answer = hub.post(paths[name], json={})
            assert answer.status_code == 503, "a sender comes again; a 404 would end it"
            assert int(answer.headers["retry-after"]) > 0
        assert hub.post("/webhooks/secretless", json={}).status_code == 503
        assert hub.post(paths["fine"], json={}).status_code == 202
        until(lambda: [one for one in project.outcomes("fine") if one[0] == "started"])
        checked = project.run("check")
        assert checked.code == 1
        assert (checked.out + checked.err).splitlines()[:3] == said == sorted(said), "the same, each by its place"
        assert hub.stop() == 0
    put_executor(project, "bent", HOOK)
    put_executor(project, "unknown", HOOK)
    project.env["GITHUB"] = "a-secret-that-is-long-enough-now"
    with project.serving() as hub:
        assert [hub.post(path, json={}).status_code for path in paths.values()] == [202] * 3, "the same addresses"
        assert hub.post("/webhooks/secretless", json={}).status_code == 401


def test_a_workflow_file_that_cannot_be_imported_fails_what_needs_it_and_nothing_else(project: Project) -> None:
    lay_out(project, fine=HOOK, needy={**HOOK, "target": start("lost", "args.body")})
    project.write("workflows/broken.py", "from hub import job, workflow\n\nimport nothing_of_this_name\n")
    with project.serving() as hub:
        said = [line for line in hub.log.splitlines() if not line.startswith("{")]
        assert any("workflows/broken.py:3" in line and "nothing_of_this_name" in line for line in said), said
        event = hub.post(project.webhook_path("needy"), json={"n": 1}).json()["event_id"]
        ((outcome, reason, execution),) = until(lambda: project.outcomes("needy"))
        assert (outcome, execution) == ("failed", None)
        assert 'there is no workflow "lost"' in reason
        assert hub.post(project.webhook_path("fine"), json={}).status_code == 202
        until(lambda: [one for one in project.outcomes("fine") if one[0] == "started"])
        assert hub.stop() == 0
    project.write(
        "workflows/broken.py",
        "from hub import job, workflow\n\n@job\ndef find(input):\n    return input\n\nlost = workflow('lost', find)\n",
    )
    with project.serving():
        (delivery,) = project.run("event", "replay", event, "--json").json
        assert delivery["outcome"] == "started"
        assert project.ended(delivery["execution_id"]) == "SUCCESS"
        assert project.execution(delivery["execution_id"])["result"] == {"n": 1}


def test_a_validator_that_fails_in_its_own_way_fails_its_delivery_alone(project: Project) -> None:
    """It runs when an execution is started: whatever it raises is its own event's trouble."""
    workflows = """
    from pydantic import BaseModel, field_validator

    class Share(BaseModel):
        parts: int

        @field_validator("parts")
        @classmethod
        def whole(cls, value):
            100 // value
            return value

    @job
    async def divide(input: Share):
        return input.parts

    dividing = workflow("dividing", divide)
    """
    lay_out(project, workflows, shares={**HOOK, "target": start("dividing", "args.body")})
    with project.serving() as hub:
        path = project.webhook_path("shares")
        for parts in (0, "x", 4):
            assert hub.post(path, json={"parts": parts}).status_code == 202
        until(lambda: len(project.outcomes("shares")) == 3)
        assert sorted(one[0] for one in project.outcomes("shares")) == ["failed", "failed", "started"]
        reasons = " ".join(one[1] for one in project.outcomes("shares"))
        assert "ZeroDivisionError" in reasons
        assert "$.parts: Input should be a valid integer" in reasons
        assert hub.stop() == 0
