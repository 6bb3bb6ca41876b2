from __future__ import annotations

import sqlite3
from contextlib import closing

from cli_kit import Hub


def test_changes_are_listed_newest_first_with_who_made_them(hub: Hub) -> None:
    assert hub("audit", "list").err == "nothing was changed yet\n"
    started = hub.json("workflow", "start", "adding", "-m", "bot")
    hub("workflow", "cancel", started["id"])
    hub("executor", "pause", "nightly")
    pause, cancel, start = hub.json("audit", "list")
    assert {one["who"].split(":")[0] for one in (pause, cancel, start)} == {"cli"}
    assert (start["action"], start["object"]) == ("workflow:start", "workflow adding")
    assert start["after"] == f"execution {started['id']}"
    assert (cancel["before"], cancel["after"], cancel["result"]) == ("PENDING", "CANCELED", "done")
    assert hub.json("audit", "list", "--object", "executor nightly") == [pause]
    assert hub.json("audit", "list", "--who", "cli:nobody-of-that-name") == []


def test_what_failed_is_recorded_too(hub: Hub) -> None:
    assert hub("workflow", "cancel", "none").status == 1
    assert hub("workflow", "start", "addign", "-m", "bot").status == 1
    start, cancel = hub.json("audit", "list")
    assert cancel["result"] == 'there is no execution "none".'
    assert 'Did you mean "adding"?' in start["result"]


def test_an_altered_record_is_found(hub: Hub) -> None:
    hub("executor", "pause", "nightly")
    hub("executor", "resume", "nightly")
    whole = hub.json("audit", "verify")
    assert (whole["ok"], whole["records"], whole["broken_at"]) == (True, 2, None)
    with closing(sqlite3.connect(hub.root / "var/hub.db")) as store:
        store.execute("UPDATE audit SET object = 'executor other' WHERE number = 1")
        store.commit()
    ran = hub("audit", "verify")
    assert ran.status == 1
    assert ran.err == "record 1 is not what was written.\n"
