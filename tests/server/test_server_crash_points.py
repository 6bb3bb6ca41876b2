"""A server that dies at a named point of one delivery's way: before and after each commit from the request to the result."""

from __future__ import annotations

import signal

import httpx
import pytest
from chains import EXECUTORS, STAGES, WORKFLOWS
from hub_process import Hub, Project, until
from server_projects import lay_out, noted

#: From the request to the end, and at which commit with that verb. An execution of three jobs.
ON_THE_WAY = [
    ("store_event", 1),
    ("undispatched", 1),
    ("dispatch", 1),
    ("claim", 1),
    ("mark", 1),
    ("checkpoint", 1),
    ("checkpoint", 2),
    ("checkpoint", 3),
    ("finish", 1),
]
AT_THE_START = ["beat", "alone", "rescue", "offer_token", "invite_first", "put_schedules", "audited_apply", "prune"]
#: Commits in a server's life of which a delivery knows nothing.
AT_THE_END = {"leave", "permission_used"}
#: Long enough that the two which run side by side are not stored by one commit, also where there is much else to do.
BODY = {"jobs": 3, "ms": 40}
NIGHTLY = {"trigger": {"schedule": {"cron": "0 2 * * *"}}}


def deliver(hub: Hub, path: str) -> str | None:
    """What the sender is answered: the event's id, or nothing."""
    try:
        answer = hub.post(path, json=BODY, headers={"x-delivery": "the-one"})
    except httpx.TransportError:
        return None
    assert answer.status_code in (202, 503)
    return str(answer.json()["event_id"]) if answer.status_code == 202 else None


def the_execution(project: Project) -> str:
    """The one execution that there is, when it has succeeded."""
    ((execution, status, result),) = until(
        lambda: project.store("SELECT id, status, result FROM executions WHERE status = 'SUCCESS'")
    )
    assert (status, result) == ("SUCCESS", str(STAGES[:3]).replace(" ", ""))
    assert project.store("SELECT count(*) FROM executions") == [(1,)]
    assert project.store("SELECT count(*) FROM events") == [(1,)]
    return str(execution)


def check_effects(project: Project, execution: str) -> None:
    """No job ran again once a later one had begun; only what was cut off ran twice."""
    stages = [int(words[2]) for words in noted(project) if words[0].startswith(execution)]
    assert stages == sorted(stages), noted(project)
    assert stages.count(9) in (1, 2)
    assert len(stages) <= 2 * 4
    checkpoints = project.store("SELECT path, status FROM checkpoints WHERE execution_id = ?", execution)
    assert sorted(checkpoints) == [
        (path, "SUCCESS") for path in ("several", "several/first", "several/second", "several/third")
    ]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("verb", "nth"), ON_THE_WAY)
def test_a_crash_on_a_deliverys_way(project: Project, moment: str, verb: str, nth: int) -> None:
    lay_out(project, WORKFLOWS, **EXECUTORS)
    path = project.webhook_path("hook")
    first = None
    with project.serving(plant={"crash_at": [moment, verb, nth, "store_event"]}) as hub:
        first = deliver(hub, path)
        assert hub.process.wait() == -signal.SIGKILL, "the point was reached"
    if verb == "store_event":
        assert first is None, "nobody was told of an event before its commit had ended"
        assert project.store("SELECT count(*) FROM events") == [(int(moment == "after"),)]
    with project.serving() as hub:
        again = deliver(hub, path)
        assert again is not None
        assert first in (None, again)
        execution = the_execution(project)
        assert hub.stop() == 0
    check_effects(project, execution)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_between_an_outbox_and_the_store(project: Project, moment: str) -> None:
    lay_out(project, WORKFLOWS, **EXECUTORS)
    with project.serving(plant={"crash_at": [moment, "store_event", 1, ""]}) as hub:
        project.sqlite("shop.db", "INSERT INTO items (name, total) VALUES ('row', 3)")
        assert hub.process.wait() == -signal.SIGKILL
    assert project.sqlite("shop.db", "SELECT count(*) FROM _hub_outbox") == [(1,)], "it waits until it is stored"
    with project.serving() as hub:
        execution = the_execution(project)
        until(lambda: project.sqlite("shop.db", "SELECT count(*) FROM _hub_outbox") == [(0,)])
        assert hub.stop() == 0
    check_effects(project, execution)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", AT_THE_START)
def test_a_crash_at_the_start(project: Project, moment: str, verb: str) -> None:
    lay_out(project, WORKFLOWS, **EXECUTORS, nightly=NIGHTLY)
    died = project.run("serve", "--port", "0", plant={"crash_at": [moment, verb, 1, ""]})
    assert died.code == -signal.SIGKILL
    with project.serving() as hub:
        assert deliver(hub, project.webhook_path("hook"))
        the_execution(project)
        assert project.store("SELECT count(*) FROM schedules") == [(1,)]


def test_no_commit_of_a_server_is_left_out_here(project: Project) -> None:
    """Whoever adds a commit to a delivery's way adds it to the points above."""
    lay_out(project, WORKFLOWS, **EXECUTORS, nightly=NIGHTLY)
    commits = project.folder / "commits"
    with project.serving(plant={"note_commits": str(commits)}) as hub:
        deliver(hub, project.webhook_path("hook"))
        the_execution(project)
        until(lambda: {verb for verb, _ in ON_THE_WAY} <= set(commits.read_text().split()))
        assert hub.stop() == 0
    seen = set(commits.read_text().split())
    covered = {verb for verb, _ in ON_THE_WAY} | set(AT_THE_START) | AT_THE_END
    assert seen <= covered | {"flush"}, seen - covered
