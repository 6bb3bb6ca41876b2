"""A real server, whose files change under it."""

from __future__ import annotations

from hub_process import Hub, Project, until
from server_projects import CONFIG, lay_out, noted, put_executor, start

HOOK = {"trigger": {"webhook": {}}}

WAITING = """
from pathlib import Path

@job
async def ask_twice(input, ctx: Context):
    ctx.database("shop")
    note(ctx, "began")
    while not Path("go-on").exists():
        await asyncio.sleep(0.02)
    try:
        ctx.database("shop")
    except Exception as error:
        note(ctx, type(error).__name__)
        raise

asking_twice = workflow("asking-twice", ask_twice)
"""


def in_effect(hub: Hub, count: int = 1) -> bool:
    return sum("changed files are in effect" in one for one in hub.messages()) >= count


def test_saved_executors_are_used(project: Project) -> None:
    lay_out(project, hook=HOOK)
    with project.serving() as hub:
        path = project.webhook_path("hook")
        assert hub.post(path, json={"n": 1}).status_code == 202
        until(lambda: project.outcomes("hook"))
        put_executor(project, "hook", {"trigger": {"webhook": {}, "condition": "args.body.n > 5"}})
        put_executor(project, "other", HOOK)
        until(lambda: in_effect(hub))
        assert hub.post(path, json={"n": 2}).status_code == 202
        until(lambda: [one for one in project.outcomes("hook") if one[0] == "filtered"])
        other = project.webhook_path("other")
        assert hub.post(other, json={"n": 1}).status_code == 202, "a new one, at a new address"
        (project.folder / "executors/hook.yaml").unlink()
        until(lambda: in_effect(hub, 2))
        assert hub.post(path, json={}).status_code == 404
        assert hub.post(other, json={}).status_code == 202
        put_executor(project, "other", "name: other\ntrigger: {webhook: {}\n")
        until(lambda: in_effect(hub, 3))
        assert hub.post(other, json={}).status_code == 503, "a sender comes again once it is mended"
        put_executor(project, "other", HOOK)
        until(lambda: in_effect(hub, 4))
        assert hub.post(other, json={}).status_code == 202


def test_rows_and_schedules_follow_their_files(project: Project) -> None:
    lay_out(project)
    rows = {"trigger": {"event": {"namespace": "shop", "type": "record.created", "model": "items"}}}
    row_target = {"target": start("echoing", "({ n: args.newRecord.id })")}
    with project.serving() as hub:
        put_executor(project, "rows", {**rows, **row_target})
        put_executor(project, "clock", {"trigger": {"schedule": {"cron": "* * * * *"}}, "target": start("echoing")})
        until(lambda: in_effect(hub))
        until(lambda: project.sqlite("shop.db", "SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        project.sqlite("shop.db", "INSERT INTO items (name) VALUES ('one')")
        until(lambda: [one for one in project.outcomes("rows") if one[0] == "started"])
        assert project.store("SELECT executor FROM schedules") == [("clock",)]
        (project.folder / "executors/rows.yaml").unlink()
        (project.folder / "executors/clock.yaml").unlink()
        until(lambda: in_effect(hub, 2))
        until(lambda: not project.sqlite("shop.db", "SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        assert project.store("SELECT executor FROM schedules") == []


def test_rights_that_are_taken_away_are_gone_in_the_middle_of_an_execution(project: Project) -> None:
    lay_out(project, WAITING)
    with project.serving() as hub:
        started = project.run("workflow", "start", "asking-twice", "-m", "workflow-bot", "--json").json["id"]
        until(lambda: noted(project))
        project.write("config/hub.yaml", CONFIG.replace('"database:write:shop"', '"database:read:nothing"'))
        until(lambda: in_effect(hub))
        project.write("go-on", "")
        assert project.ended(started) == "FAILED"
        assert [words[-1] for words in noted(project)] == ["began", "Refused"]
        error = project.execution(started)["error"]
        assert "database:write:shop" in error["message"]


def test_a_config_that_cannot_be_used_changes_nothing(project: Project) -> None:
    lay_out(project, hook=HOOK)
    with project.serving() as hub:
        path = project.webhook_path("hook")
        project.write("config/hub.yaml", "stor: nowhere\n")
        until(lambda: any("everything stays as it was" in one for one in hub.messages()))
        assert hub.post(path, json={}).status_code == 202
        until(lambda: [one for one in project.outcomes("hook") if one[0] == "started"])
        project.write("config/hub.yaml", CONFIG.replace("port: 8700", "port: 8701"))
        until(lambda: any("takes effect at the next start" in one for one in hub.messages()))
        assert hub.post(path, json={}).status_code == 202
