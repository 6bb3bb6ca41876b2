"""Every route of the API once, as a program uses it: shapes and paging."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from api_site import TOKENS, ApiSite, play

from hub.model.identity import MachineUser


def test_executors_are_listed_triggered_paused_and_resumed(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        found = await hub.get("/api/v1/executors")
        assert [one["name"] for one in found["items"]] == ["nightly", "number-hook"]
        assert found["next_cursor"] is None
        one = await hub.get("/api/v1/executors", limit=1)
        assert [each["name"] for each in one["items"]] == ["nightly"]
        assert (await hub.get("/api/v1/executors", cursor=one["next_cursor"]))["items"] == found["items"][1:]
        await hub.parts.store.flush()  # that a permission was used is noted beside the answers
        users = await hub.get("/api/v1/machine-users", limit=3)
        rest = await hub.get("/api/v1/machine-users", cursor=users["next_cursor"])
        assert users["items"] + rest["items"] == (await hub.get("/api/v1/machine-users"))["items"]
        event = await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": 3}}, status=201)
        (delivery,) = event["deliveries"]
        assert delivery["outcome"] == "started"
        await hub.work()
        execution = await hub.get(f"/api/v1/executions/{delivery['execution_id']}")
        assert (execution["status"], execution["result"]) == ("SUCCESS", {"sum": 9})
        assert execution["cause"] == {"executor": "number-hook", "event_id": event["id"]}
        assert [job["name"] for job in execution["jobs"]] == ["add", "double"]
        assert (await hub.post("/api/v1/executors/number-hook/pause"))["state"] == "paused"
        assert (await hub.get("/api/v1/executors/number-hook"))["state"] == "paused"
        event = await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": 3}}, status=201)
        assert event["deliveries"][0]["outcome"] == "paused"
        assert (await hub.post("/api/v1/executors/number-hook/resume"))["state"] == "enabled"
        deliveries = await hub.get("/api/v1/executors/number-hook/deliveries", limit=1)
        assert deliveries["items"][0]["outcome"] == "paused"
        rest = await hub.get("/api/v1/executors/number-hook/deliveries", cursor=deliveries["next_cursor"])
        assert [one["id"] for one in rest["items"]] == [delivery["id"]]
        assert rest["next_cursor"] is None
        one = await hub.get(f"/api/v1/executors/number-hook/deliveries/{delivery['id']}")
        assert one["execution"]["id"] == execution["id"]

    play(quick_path, story)


def test_what_would_become_of_an_event_is_told_and_nothing_is_stored(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        preview = "/api/v1/executors/number-hook/preview"
        found = await hub.post(preview, {"data": {"n": 3}, "headers": {"X-Mood": "good"}})
        assert (found["executor"], found["outcome"], found["reason"]) == (
            "number-hook",
            "started",
            "it would start adding.",
        )
        assert (found["args"]["body"], found["args"]["headers"]) == ({"n": 3}, {"x-mood": "good"})
        assert (found["condition"], found["variables"]) == (
            {"value": True, "error": None},
            {"value": {"n": 3}, "error": None},
        )
        broken = await hub.post(preview)
        assert broken["outcome"] == "failed"
        assert "cannot read property" in broken["condition"]["error"]
        assert (await hub.get("/api/v1/events"))["items"] == []
        event = await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": -1}}, status=201)
        again = await hub.post(preview, {"event_id": event["id"]})
        assert (again["outcome"], again["condition"]["value"]) == ("filtered", False)
        await hub.post(preview, {"event_id": event["id"], "data": {}}, status=422)
        await hub.post(preview, {"event_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, status=404)
        assert len((await hub.get("/api/v1/events"))["items"]) == 1

    play(quick_path, story)


def test_a_right_to_answer_that_is_taken_away_is_gone_while_the_execution_waits(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        driver = hub.parts.driver

        def now_it_may(*permissions: str) -> None:
            users = {"main-auth": {"bot": MachineUser("main-auth", "bot", {}, permissions)}}
            driver.surroundings = replace(driver.surroundings, machine_users=users)

        token = (await hub.parts.client.acting_as(TOKENS["admin"]).make_token("bot")).token
        now_it_may("wait-point:read", "wait-point:resolve:approval")
        asking = await hub.run("asking", {"n": 1})
        (point,) = (await hub.get("/api/v1/wait-points", token))["items"]
        path = f"/api/v1/executions/{asking}/wait-points/{point['key']}/resolve"
        now_it_may("wait-point:read")
        await hub.post(path, {"result": True}, token, status=403)
        assert (await hub.get(f"/api/v1/executions/{asking}"))["status"] == "WAITING"
        now_it_may("wait-point:resolve:approval")
        await hub.post(path, {"result": True}, token)
        await hub.work()
        assert (await hub.get(f"/api/v1/executions/{asking}"))["status"] == "SUCCESS"

    play(quick_path, story)


def test_a_trigger_a_replay_and_a_fork_with_a_key_are_one_too(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        trigger = "/api/v1/executors/number-hook/trigger"
        first = await hub.post(trigger, {"data": {"n": 1}, "idempotency_key": "once"}, status=201)
        again = await hub.post(trigger, {"data": {"n": 1}, "idempotency_key": "once"}, status=201)
        assert again["id"] == first["id"]
        assert [one["outcome"] for one in again["deliveries"]] == ["started", "duplicate"]
        assert again["deliveries"][0] == first["deliveries"][0]
        other = await hub.post(trigger, {"data": {"n": 1}, "idempotency_key": "twice"}, status=201)
        assert other["id"] != first["id"]
        await hub.work()
        replay = f"/api/v1/events/{first['id']}/replay"
        replayed = [(await hub.post(replay, {"idempotency_key": key}))["items"] for key in ("a", "a", "b")]
        assert replayed[0] == replayed[1]
        assert replayed[0] != replayed[2]
        assert {one["outcome"] for (one,) in replayed} == {"started"}
        fork = f"/api/v1/executions/{first['deliveries'][0]['execution_id']}/fork"
        forks = [
            await hub.post(fork, {"from": "add/double", "idempotency_key": key}, status=201) for key in ("a", "a", "b")
        ]
        assert forks[0] == forks[1]
        assert forks[2]["id"] != forks[0]["id"]
        assert len((await hub.get("/api/v1/executions"))["items"]) == 6

    play(quick_path, story)


def test_a_start_with_a_key_is_one_execution(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        body = {"args": {"n": 2}, "invoker": "bot", "idempotency_key": "order-7"}
        path = "/api/v1/workflows/adding/executions"
        first = await hub.post(path, body, status=201)
        assert set(first) == {"id", "status"}
        assert first["status"] == "PENDING"
        assert await hub.post(path, body, status=201) == first
        await hub.work()
        again = await hub.post(path, body, status=201)
        assert again == {"id": first["id"], "status": "SUCCESS"}
        for invoker in (
            "main-auth/bot",
            {"name": "bot"},
            {"auth_namespace": "main-auth", "name": "bot"},
            {"machine_user": {"auth_namespace": "main-auth", "name": "bot"}},
        ):
            assert await hub.post(path, {**body, "invoker": invoker}, status=201) == again, "however it is named"
        other = await hub.post("/api/v1/workflows/failing/executions", body | {"invoker": "anonymous"}, status=409)
        assert first["id"] not in str(other), "whoever may start one workflow learns nothing of another one"
        own = await hub.post(path, {"args": {"n": 2}}, token="bot", status=201)
        assert (await hub.get(f"/api/v1/executions/{own['id']}"))["invoker"]["name"] == "bot", (
            "whoever asks, by default"
        )

    play(quick_path, story)


def test_lists_go_on_where_the_page_before_ended_whatever_comes_meanwhile(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        ids = [await hub.run("adding", {"n": n}) for n in range(5)]
        failed = await hub.run("failing")
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 2, "workflow": "adding"}
        while True:
            page = await hub.get("/api/v1/executions", **query)
            seen += [one["id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
            await hub.run("adding", {"n": 9})
        assert seen == ids[::-1], "newest first, each once"
        (one,) = (await hub.get("/api/v1/executions", status="FAILED"))["items"]
        assert one["id"] == failed
        assert one["error"]["message"] == "it is Monday"
        none = await hub.get("/api/v1/executions", since="2100-01-01T00:00:00Z")
        assert none == {"items": [], "next_cursor": None}
        await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": -1}}, status=201)
        await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": 1}}, status=201)
        page = await hub.get("/api/v1/events", outcome="filtered", executor="number-hook")
        assert [one["payload"]["body"] for one in page["items"]] == [{"n": -1}]

    play(quick_path, story)


def test_failed_executions_resume_and_running_ones_end(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        failed = await hub.run("failing")
        assert (await hub.post(f"/api/v1/executions/{failed}/resume", {})) == {"id": failed, "status": "PENDING_RESUME"}
        answer = await hub.ask("POST", f"/api/v1/executions/{failed}/resume")
        assert answer.status_code == 409
        assert (await hub.post(f"/api/v1/executions/{failed}/cancel", {}))["status"] == "CANCELED"

    play(quick_path, story)


def test_a_wait_point_is_answered_once(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        asking = await hub.run("asking", {"n": 4})
        (asked,) = (await hub.get("/api/v1/wait-points"))["items"]
        assert (asked["execution_id"], asked["payload"]) == (asking, {"n": 4})
        path = f"/api/v1/executions/{asking}/wait-points/{asked['key']}/resolve"
        assert (await hub.post(path, {"result": True}))["state"] == "RESOLVED"
        assert (await hub.ask("POST", path, json={"result": True})).status_code == 409
        await hub.work()
        assert (await hub.get(f"/api/v1/executions/{asking}"))["result"] is True
        assert (await hub.get("/api/v1/wait-points"))["items"] == []
        (answered,) = (await hub.get("/api/v1/wait-points", all="true", execution=asking))["items"]
        assert answered["resolved_by"] == "machine-user:main-auth/admin"

    play(quick_path, story)


def test_events_are_shown_and_replayed(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        event = await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": 1}}, status=201)
        assert (await hub.get(f"/api/v1/events/{event['id']}"))["deliveries"] == event["deliveries"]
        again = await hub.post(f"/api/v1/events/{event['id']}/replay", {"executors": ["number-hook"]})
        assert [one["outcome"] for one in again["items"]] == ["started"]
        assert len((await hub.get(f"/api/v1/events/{event['id']}"))["deliveries"]) == 2
        (listed,) = (await hub.get("/api/v1/events", executor="number-hook"))["items"]
        assert listed["id"] == event["id"], "once, although it was delivered twice"

    play(quick_path, story)


def test_logs_schedules_users_nodes_webhooks_and_the_audit_log(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        done = await hub.run("adding", {"n": 4})
        await hub.parts.store.flush()
        (line,) = (await hub.get(f"/api/v1/executions/{done}/logs"))["items"]
        assert (line["message"], line["job"]) == ("doubling 4", "add/double")
        (schedule,) = (await hub.get("/api/v1/schedules"))["items"]
        assert (schedule["executor"], schedule["cron"], schedule["state"]) == ("nightly", "0 2 * * *", "enabled")
        first = (await hub.get("/api/v1/schedules/nightly/next", count=3))["items"]
        assert len(first) == 3
        later = (await hub.get("/api/v1/schedules/nightly/next", count=2, after=first[0]["at"]))["items"]
        assert later == first[1:]
        (odd,) = (await hub.get("/api/v1/schedules/nightly/next", count=1, after="2031-03-29T12:00:00Z"))["items"]
        assert odd["local"] == "2031-03-30 03:00 +02:00"
        assert "does not exist" in odd["note"]
        assert (await hub.get("/api/v1/schedules/nightly/slots"))["items"] == []
        users = (await hub.get("/api/v1/machine-users"))["items"]
        assert [one["name"] for one in users] == ["admin", "bot", "idle", "reader", "twin", "twin"]
        (hook,) = (await hub.get("/api/v1/webhooks"))["items"]
        assert "/webhooks/number-hook/" in hook["url"]
        assert (await hub.get("/api/v1/nodes"))["items"] == []
        assert (await hub.get("/api/v1/refused-deliveries"))["items"] == []
        (record,) = (await hub.get("/api/v1/audit"))["items"]
        assert (record["who"], record["action"]) == ("machine-user:main-auth/admin", "workflow:start")
        assert [one["name"] for one in (await hub.get("/api/v1/workflows"))["items"]] == ["adding", "asking", "failing"]
        assert (await hub.get("/api/v1/workflows/adding"))["input_schema"]["title"] == "Number"

    play(quick_path, story)
