from __future__ import annotations

import re

from cli_kit import Hub


def test_machine_users_are_listed_with_what_they_may_do(hub: Hub) -> None:
    bot, guest = hub.json("machine-user", "list")
    assert (bot["name"], bot["client_id"], bot["permissions"]) == ("bot", "main-auth/bot", ["workflow:start:*"])
    assert (bot["attributes"], bot["secrets"], bot["last_used_at"]) == ({"role": "worker"}, [], None)
    assert guest["permissions"] == []
    assert [line[0] for line in hub("machine-user", "list").lines()] == ["name", "bot", "guest"]


def test_a_secret_is_all_that_is_printed_and_only_once(hub: Hub) -> None:
    ran = hub("machine-user", "secret", "bot")
    secret = ran.out.strip()
    assert re.fullmatch(r"hubmu_[A-Za-z0-9_-]{43}", secret)
    assert "main-auth/bot" in ran.err
    assert secret not in ran.err
    made = hub.json("machine-user", "secret", "bot")
    assert set(made) == {"id", "client_id", "client_secret"}
    listed = hub("machine-user", "list", "--json").out
    assert secret not in listed
    assert made["client_secret"] not in listed
    ran = hub("machine-user", "secret", "bot")
    assert (ran.status, ran.out) == (1, "")
    assert "--revoke" in ran.err
    assert hub.json("machine-user", "secret", "bot", "--revoke", made["id"]) == {"revoked": [made["id"]]}
    assert hub("machine-user", "secret", "bott").err == 'error: there is no machine user "bott". Did you mean "bot"?\n'


def test_a_token_is_all_that_is_printed(hub: Hub) -> None:
    ran = hub("machine-user", "token", "bot")
    assert ran.out.count(".") == 2
    made = hub.json("machine-user", "token", "bot")
    assert (made["token_type"], made["expires_in"]) == ("Bearer", 3600)
    assert hub("machine-user", "token", "bot", "--scope", "admin").status == 1
    assert (hub.root / "var/token.keys").stat().st_mode & 0o777 == 0o600


def test_can_answers_for_programs_and_people(hub: Hub) -> None:
    assert (hub("machine-user", "can", "bot", "workflow:start:adding").out) == "yes\n"
    ran = hub("machine-user", "can", "bot", "workflow:strat:adding")
    assert (ran.status, ran.out) == (1, "no\n")
    assert 'Did you mean "workflow:start"?' in ran.err
    assert hub.json("machine-user", "can", "guest", "workflow:start", status=1)["allowed"] is False


def test_keys_are_rotated(hub: Hub) -> None:
    hub("machine-user", "token", "bot")
    (_, first) = hub("machine-user", "keys").lines()
    assert "signs from now on" in hub("machine-user", "keys", "--rotate").err
    (_, new, old) = hub("machine-user", "keys").lines()
    assert (old, new[0] == old[0]) == (first, False)


def test_people_are_invited_changed_and_removed(hub: Hub) -> None:
    assert "hub serve" in hub("person", "list").err
    address = hub("person", "add", "grace", "--role", "operator").out.strip()
    prefix, _, secret = address.rpartition("/")
    assert prefix == "http://127.0.0.1:8700/console/claim"
    assert re.fullmatch(r"hubin_[A-Za-z0-9_-]{43}", secret)
    (grace,) = hub.json("person", "list")
    assert (grace["name"], grace["role"], grace["invited"], grace["last_sign_in_at"]) == (
        "grace",
        "operator",
        True,
        None,
    )
    assert hub("person", "role", "grace", "viewer").status == 0
    assert hub.json("person", "list")[0]["role"] == "viewer"
    assert hub("person", "role", "grace", "root").status == 2
    assert hub("person", "remove", "grace").status == 0
    assert hub.json("person", "list") == []
    assert hub("person", "add", "Not A Name").status == 1
