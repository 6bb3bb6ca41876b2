from __future__ import annotations

from pathlib import Path

from cli_kit import Hub


def _failed(hub: Hub, n: int = 3) -> dict:
    return hub.json("workflow", "start", "failing", "-m", "bot", "-a", f'{{"n": {n}}}', "-W", status=1)


def test_all_that_match_are_counted_and_resumed_when_it_is_confirmed(hub: Hub) -> None:
    ids = [_failed(hub)["id"] for _ in range(2)]
    ran = hub("workflow", "resume", "-n", "failing", "--since", "1h", "--json")
    assert (ran.status, ran.json) == (0, {"matching": 2, "resumed": 0})
    assert "add --yes" in ran.err
    assert hub.json("workflow", "executions", ids[0])["status"] == "FAILED"
    Path("mended.txt").touch()
    assert hub.json("workflow", "resume", "-s", "failed", "--yes") == {"matching": 2, "resumed": 2}
    assert [hub.json("workflow", "wait", one)["status"] for one in ids] == ["SUCCESS", "SUCCESS"]
    assert hub.json("workflow", "resume", "-s", "FAILED", "--yes") == {"matching": 0, "resumed": 0}


def test_a_resume_says_what_it_wants(hub: Hub) -> None:
    for args, said in [
        ((), "say which: an ID, or all with"),
        (("-n", "failing", "-a", "{}"), "-a and -W are for one execution"),
        (("someid", "-n", "failing"), "either an ID or"),
        (("-s", "SUCCESS"), "'SUCCESS' is not one of"),
        (("-s", "FAILED", "--since", "soon"), "neither a duration such as 2h nor"),
    ]:
        ran = hub("workflow", "resume", *args)
        assert (ran.status, ran.out) == (2, "")
        assert said in ran.err
    ran = hub("workflow", "resume", "-n", "fayling")
    assert ran.status == 1
    assert "failing" in ran.err


def test_another_input_that_finished_jobs_do_not_fit_is_told_with_both(hub: Hub) -> None:
    failed = _failed(hub)
    Path("mended.txt").touch()
    again = hub.json("workflow", "resume", failed["id"], "-a", '{"n": 4}', "-W", status=1)
    assert again["error"]["type"] == "ArgumentHashMismatch"
    assert '{"n":3} and is now called with {"n":4}' in again["error"]["message"]
    assert hub.json("workflow", "resume", failed["id"], "-a", '{"n": 3}', "-W")["result"] == 6


def test_a_fork_is_a_new_execution_that_names_the_old_one(hub: Hub) -> None:
    failed = _failed(hub)
    Path("mended.txt").touch()
    forked = hub.json("workflow", "fork", failed["id"], "--from", "fall-over/double", "-a", '{"n": 4}', "-W")
    assert (forked["status"], forked["result"]) == ("SUCCESS", 8)
    assert (forked["forked_from"], forked["forked_at"]) == (failed["id"], "fall-over/double")
    assert hub.json("workflow", "executions", failed["id"]) == failed
    stored = hub.json("workflow", "fork", failed["id"], "--from", "fall-over/double")
    assert stored == {"id": stored["id"], "status": "PENDING", "forked_from": failed["id"]}
    ran = hub("workflow", "fork", failed["id"], "--from", "fall-over/dubble")
    assert (ran.status, ran.out) == (1, "")
    assert "fall-over/double" in ran.err


def test_a_failed_job_can_be_given_its_result(hub: Hub) -> None:
    failed = _failed(hub)
    path = "fall-over/double"
    for args, said in [
        ((), "say one of"),
        (("--again", "--failed", "x"), "say one of"),
        (("--result", "{"), "not JSON"),
    ]:
        ran = hub("workflow", "settle", failed["id"], path, *args)
        assert ran.status == 2
        assert said in ran.err
    ran = hub("workflow", "settle", failed["id"], path, "--result", "1")
    assert (ran.status, ran.out) == (1, "")
    assert "is SUCCESS" in ran.err
    settled = hub.json("workflow", "settle", failed["id"], "fall-over", "--result", "7")
    assert settled == {"id": failed["id"], "path": "fall-over", "status": "SUCCESS"}
    assert hub.json("workflow", "resume", failed["id"], "-W")["result"] == 7
