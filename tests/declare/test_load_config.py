import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from hub.declare.config import Config, EngineSettings, OutgoingSettings, Retention, Server, load_config, sqlite_path
from hub.declare.filling import Sources
from hub.declare.secrets import Secret, Secrets

HUB = Path(__file__).parents[2] / "hub"
EXAMPLE = """\
store: sqlite:///var/hub.db          # default; or postgresql://user@host/db
server: {host: 127.0.0.1, port: 8700, public_url: https://hub.example.com}
env: {region: eu-west, support_email: help@example.com}      # plain values: `env` in expressions and jobs
databases:                            # namespaces of record events, and ctx.database("shop") in jobs
  shop: {url: sqlite:///var/shop.db}  # or postgresql://…
auth:                                 # auth namespaces
  main-auth:
    machine_users:
      workflow-bot:
        attributes: {role: worker}
        permissions: ["workflow:start:*", "database:write:shop", "secret:read:GITHUB_WEBHOOK_SECRET"]
      ops:
        permissions: ["admin"]
"""


def load(tmp_path, text, **environment):
    path = tmp_path / "config" / "hub.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return load_config(tmp_path, Sources(environment, Secrets(environment, {})))


def config(tmp_path, text, **environment):
    found, problems = load(tmp_path, text, **environment)
    assert problems == []
    return found


def messages(tmp_path, text, **environment):
    found, problems = load(tmp_path, text, **environment)
    assert found is None
    return [str(problem) for problem in problems]


def test_the_example_loads_as_it_stands(tmp_path):
    found = config(tmp_path, EXAMPLE)
    assert found.store.reveal() == "sqlite:///var/hub.db"
    assert found.server == Server("127.0.0.1", 8700, "https://hub.example.com")
    assert found.env == {"region": "eu-west", "support_email": "help@example.com"}
    assert found.databases["shop"].reveal() == "sqlite:///var/shop.db"
    bot = found.machine_user("main-auth", "workflow-bot")
    assert bot.attributes == {"role": "worker"}
    assert bot.may("workflow:start", "anything")
    assert not bot.may("workflow:cancel", "anything")
    assert found.machine_user("main-auth", "ops").may("workflow:cancel", "anything")
    assert [user.name for user in found.machine_users()] == ["ops", "workflow-bot"]
    assert found.machine_user("main-auth", "nobody") is None
    assert found.machine_user("other", "ops") is None
    assert str(found.at("server", "port")) == "config/hub.yaml:2:33"


@pytest.mark.parametrize(
    "text", [None, "store: sqlite:///var/hub.db\n", "server:\nenv:\ndatabases:\nauth:\nengine:\nretention:\n", "{}"]
)
def test_what_is_left_out_has_defaults(tmp_path, text):
    found = load_config(tmp_path)[0] if text is None else config(tmp_path, text)
    assert found == Config()
    assert found.store.reveal() == "sqlite:///var/hub.db"
    assert (found.server.host, found.server.port, found.server.public_url) == ("127.0.0.1", 8700, None)
    assert found.engine == EngineSettings()
    assert found.retention == Retention(30 * 86_400_000, 90 * 86_400_000)


def test_a_null_file_is_not_taken_for_an_empty_one(tmp_path):
    assert messages(tmp_path, "") == ["config/hub.yaml:1:1: the file is empty"]
    assert config(tmp_path, "~") == Config()


def test_other_settings(tmp_path):
    found = config(
        tmp_path,
        "engine: {max_running: 200, lease: 2s}\nretention: {events: 7d, executions: 12h}\n"
        "server: {port: 0, public_url: https://x.example/hub/}\nenv: {deep: [1, {a: null}], on: no}\n"
        "auth: {main-auth: {machine_users: {bot: }}, other: }\n",
    )
    assert found.engine == EngineSettings(200, 2_000)
    assert found.retention == Retention(7 * 86_400_000, 43_200_000)
    assert found.server.public_url == "https://x.example/hub"
    assert found.env == {"deep": [1, {"a": None}], "on": "no"}
    assert found.machine_user("main-auth", "bot").permissions == ()
    assert found.auth["other"] == {}


@pytest.mark.parametrize("kind", [Server, EngineSettings, OutgoingSettings, Retention])
def test_no_setting_is_read_in_vain(kind):
    sources = [path.read_text() for path in HUB.rglob("*.py") if path.parent.name != "declare"]
    for one in fields(kind):
        assert any(re.search(rf"\.{one.name}\b", source) for source in sources), one.name


def test_configuration_does_not_change(tmp_path):
    with pytest.raises(FrozenInstanceError):
        config(tmp_path, EXAMPLE).server.port = 1


def test_every_mistake_is_reported_at_its_place(tmp_path):
    text = (
        "stor: x\nserver: {port: eight, public_url: foo, host: 1}\nstore: mysql://x\ndatabases: {Shop: {url: sqlite:///x}, other: {}}\n"
        "auth:\n  main-auth:\n    machine_users:\n      bot:\n        permissions: [admin, workflow:start:a:b, everything, 3]\n"
        "engine: {max_running: 0}\nretention: {events: forever}\n"
    )
    found = messages(tmp_path, text)
    assert [(one.split(": ")[0].removeprefix("config/hub.yaml:")) for one in found] == [
        "1:1", "2:16", "2:35", "2:46", "3:8", "4:13", "4:39", "9:30", "9:50", "9:62", "10:23", "11:21",
    ]  # fmt: skip
    assert "expected a whole number from 0 to 65535, found a string" in found[1]
    permission = '"everything" is not a permission; write "admin", or resource:action with an optional :name-glob'
    assert permission in found[8]


def test_what_could_be_misunderstood_is_refused(tmp_path):
    text = "store: '${env:STORE}'\nauth: {main-auth: {machine_users: {bot: , anonymous: }}}\n"
    assert messages(tmp_path, text, STORE="sqlite:///:memory:") == [
        "config/hub.yaml:1:8: a store in memory is gone with each command; write sqlite:///var/hub.db",
        "config/hub.yaml:2:43: as an invoker anonymous means nobody; give this machine user another name",
    ]


def test_references_are_filled_in(tmp_path):
    found = config(
        tmp_path,
        "store: postgresql://hub:${secret:PASSWORD}@db/hub\nserver: {port: '${env:PORT}', host: '${env:HOST}'}\n"
        "env: {region: '${env:REGION}', port: '${env:PORT}'}\ndatabases: {shop: {url: '${secret:SHOP}'}}\n"
        "auth: {main-auth: {machine_users: {bot: {permissions: ['workflow:start:${env:REGION}-*']}}}}\nengine: {max_running: '${env:N}'}\n",
        PASSWORD="pw",
        PORT="9000",
        HOST="0.0.0.0",
        REGION="eu",
        SHOP="sqlite:///shop.db",
        N="3",
    )
    assert found.store == Secret("postgresql://hub:pw@db/hub")
    assert found.server == Server("0.0.0.0", 9000)
    assert found.env == {"region": "eu", "port": "9000"}
    assert found.databases["shop"].reveal() == "sqlite:///shop.db"
    assert found.machine_user("main-auth", "bot").may("workflow:start", "eu-orders")
    assert found.engine.max_running == 3
    assert "pw" not in repr(found)


@pytest.mark.parametrize("value", ["eight", "70000", "-1", "8.5", "true", "", "0x", "${env:PORT}", "9" * 400])
def test_a_port_that_is_filled_in_must_be_a_port(tmp_path, value):
    (found,) = messages(tmp_path, "server:\n  port: ${env:PORT}\n", PORT=value)
    assert found == (
        "config/hub.yaml:2:9: server.port must be a whole number from 0 to 65535 with ${env:PORT} filled in"
    )


def test_what_is_missing_is_reported_with_the_closest_name(tmp_path):
    assert messages(
        tmp_path, "store: ${secret:DATABASE_URI}\nserver: {port: '${env:PROT}'}\n", DATABASE_URL="x", PORT="1"
    ) == [
        'config/hub.yaml:1:8: there is no secret DATABASE_URI. Did you mean "DATABASE_URL"? Set it in the environment or in config/secrets.yaml.',
        'config/hub.yaml:2:16: the environment has no PROT. Did you mean "PORT"? Set it, or replace ${env:PROT}.',
    ]


def test_secrets_stay_out_of_what_is_shown(tmp_path):
    (found,) = messages(tmp_path, "env: {token: '${secret:TOKEN}'}\n", TOKEN="c4nary")
    assert found.startswith("config/hub.yaml:1:14: env.token is shown to people, so it cannot hold a secret")
    assert "c4nary" not in found


def test_a_permission_that_is_filled_in_is_checked_and_not_repeated(tmp_path):
    (found,) = messages(
        tmp_path, "auth: {main-auth: {machine_users: {bot: {permissions: ['${env:P}']}}}}\n", P="c4nary everything"
    )
    assert "is not a permission" in found
    assert "c4nary" not in found


def test_the_environment_and_the_file_of_secrets_are_read_when_nothing_else_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_TEST_PORT", "9001")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "hub.yaml").write_text("server: {port: '${env:HUB_TEST_PORT}'}\nstore: ${secret:DB}\n")
    secrets = tmp_path / "config" / "secrets.yaml"
    secrets.write_text("DB: sqlite:///x.db\n")
    secrets.chmod(0o600)
    found, problems = load_config(tmp_path)
    assert problems == []
    assert (found.server.port, found.store.reveal()) == (9001, "sqlite:///x.db")
    secrets.chmod(0o644)
    found, problems = load_config(tmp_path)
    assert found is None
    assert "chmod 600 config/secrets.yaml" in problems[0].message


def test_where_a_sqlite_database_lies():
    root = Path("/project")
    assert sqlite_path("sqlite:///var/hub.db", root) == Path("/project/var/hub.db")
    assert sqlite_path(Secret("sqlite:////data/hub.db"), root) == Path("/data/hub.db")
    assert sqlite_path("sqlite:///:memory:", root) is None
    assert sqlite_path("postgresql://user@host/db", root) is None
