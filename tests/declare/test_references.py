import copy
import json
import pickle
import traceback

import pytest

from hub.declare import project
from hub.declare.filling import Sources
from hub.declare.secrets import Secret, Secrets, fill, load_secrets, references, try_fill
from hub.model.errors import ConfigError, NotFound, NotJson
from hub.model.executor import Position
from hub.model.values import canonical

CANARY = "c4nary+/&?<{$'\"\\=é"


def at(where):
    return Position("f.yaml", 1 + len(where), 1)


def secrets(**file):
    return Secrets({"HOME": "/root", "TOKEN_ENV": "from-env"}, file)


def write(root, text, mode=0o600):
    path = root / "config" / "secrets.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return load_secrets(root, {})


def test_a_secret_shows_itself_to_nobody_who_does_not_ask():
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY)
    assert secret != Secret("other")
    assert secret != CANARY
    assert len({secret, Secret(CANARY)}) == 1
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>50}",
        f"{secret:x}",
        f"{[secret]} { ({'a': secret}) }",
    ]
    shown += [f"{secret:>{width}}" for width in (1, 100)]
    assert not [text for text in shown if "c4nary" in text]
    assert copy.deepcopy({"a": secret}) == {"a": secret}


def test_a_secret_is_neither_json_nor_pickled_nor_a_text():
    secret = Secret(CANARY)
    with pytest.raises(TypeError):
        json.dumps({"a": secret})
    with pytest.raises(NotJson) as raised:
        canonical({"a": secret})
    assert "c4nary" not in str(raised.value)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(secret, protocol)
    with pytest.raises(TypeError):
        "Bearer " + secret
    parts = ["x", secret]
    with pytest.raises(TypeError):
        ", ".join(parts)
    assert not isinstance(secret, str)


def test_filling_in():
    value = {
        "a": "${env:REGION}-1",
        "b": ["Bearer ${secret:TOKEN}", 5, None, True],
        "c": {"d": "plain $ {env:X} ${{ x }}"},
    }
    filled = fill(value, {"REGION": "eu"}, secrets(TOKEN=CANARY), at=at)
    assert filled == {
        "a": "eu-1",
        "b": [Secret(f"Bearer {CANARY}"), 5, None, True],
        "c": {"d": "plain $ {env:X} ${{ x }}"},
    }
    assert value["a"] == "${env:REGION}-1"


def test_what_is_filled_in_is_not_filled_in_again():
    env = {"A": "${secret:TOKEN}", "B": "${env:C}", "C": "c"}
    assert fill("${env:A} ${env:B}", env, secrets(TOKEN=CANARY), at=at) == "${secret:TOKEN} ${env:C}"
    assert fill("${secret:TOKEN}", env, secrets(TOKEN="${env:C}"), at=at) == Secret("${env:C}")


def test_the_environment_comes_before_the_file_and_an_empty_value_is_none():
    found = Secrets({"A": "env", "B": ""}, {"A": "file", "B": "file"})
    assert found.get("A").reveal() == "env"
    assert found.get("B").reveal() == "file"
    with pytest.raises(NotFound) as raised:
        Secrets({"GITHUB_TOKEN": CANARY}, {}).get("GITHUB_TOKN")
    assert str(raised.value) == 'there is no secret "GITHUB_TOKN". Did you mean "GITHUB_TOKEN"?'
    assert "c4nary" not in repr(found) + repr(Secrets({"A": CANARY}, {"B": CANARY}))


def test_what_is_missing_is_reported_at_its_place_and_all_at_once():
    with pytest.raises(ConfigError) as raised:
        fill(
            {"a": "${env:REGIN}", "b": ["${secret:TOKN}", "${secret:TOKEN}"], "c": "${secret:ZZZZ}"},
            {"REGION": CANARY},
            secrets(TOKEN=CANARY),
            at=at,
        )
    assert [str(problem) for problem in raised.value.problems] == [
        'f.yaml:2:1: the environment has no REGIN. Did you mean "REGION"? Set it, or replace ${env:REGIN}.',
        "f.yaml:2:1: there is no secret ZZZZ. Set it in the environment or in config/secrets.yaml.",
        'f.yaml:3:1: there is no secret TOKN. Did you mean "TOKEN"? Set it in the environment or in config/secrets.yaml.',
    ]
    assert "c4nary" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "text",
    [
        "${env:}",
        "${secret:MY KEY}",
        "${secrets:A}",
        "${SECRET:A}",
        "${ env:A }",
        "${secret:A",
        "${env:1A}",
        "${secret:A-B}",
    ],
)
def test_what_is_nearly_a_reference_is_not_taken_for_text(text):
    filled, problems = try_fill({"a": f"x {text}"}, {"A": "1"}, secrets(A="1"), at=at)
    assert [problem.message for problem in problems] == [
        "this is not a reference; write ${env:NAME} or ${secret:NAME}, with letters, digits and _ in the name"
    ]
    assert filled == {"a": f"x {text}"}


@pytest.mark.parametrize(
    "text", ["`${env.region}`", "${{ args.body }}", "${a ? b : c}", "$env:A", "{env:A}", "${environment:A}"]
)
def test_javascript_and_shells_are_left_alone(text):
    assert fill(text, {"A": "1"}, secrets(), at=at) == text


def test_references_are_found_with_their_places():
    value = {"a": "${env:A}${secret:B}", "b": [1, "x", "${env:C}"]}
    assert list(references(value)) == [(("a",), "env", "A"), (("a",), "secret", "B"), (("b", 2), "env", "C")]


def test_the_file_of_secrets(tmp_path):
    found, problems = write(tmp_path, f"# mine\nA: plain\nB: 012\nC: true\nD: {json.dumps(CANARY)}\nE: 1e5\n")
    assert problems == []
    assert {name: found.get(name).reveal() for name in "ABCDE"} == {
        "A": "plain",
        "B": "012",
        "C": "true",
        "D": CANARY,
        "E": "1e5",
    }


def test_no_file_of_secrets_is_fine(tmp_path):
    found, problems = load_secrets(tmp_path, {"A": "1"})
    assert problems == []
    assert found.get("A").reveal() == "1"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
def test_secrets_that_others_may_read_are_a_problem(tmp_path, mode):
    _, problems = write(tmp_path, "A: b\n", mode)
    assert [str(problem) for problem in problems] == [
        "config/secrets.yaml:1:1: other users of this machine may read or change the secrets; run: chmod 600 config/secrets.yaml"
    ]


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_secrets_that_only_the_owner_may_read_are_fine(tmp_path, mode):
    assert write(tmp_path, "A: b\n", mode)[1] == []


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("A: [c4nary]\n", "1:4", "a secret is a text"),
        ("A: 1\nB: {x: c4nary}\n", "2:4", "a secret is a text"),
        ("A:\n", "1:1", "is empty"),
        ("A: ''\n", "1:1", "is empty"),
        ("c4nary x: 1\n", "1:1", "not a secret's name"),
        ("- c4nary\n", "1:1", "expected a mapping"),
        ("A: !c4nary\n", "1:4", "tags are not allowed"),
        ("A: *c4nary\n", "1:4", "aliases"),
        ("A: &c4nary\n", "1:4", "anchors"),
        ("A: 'c4nary\n", "1:4", "not closed"),
        ("A: c4nary: x\n", "1:10", 'a ":"'),
        ("A: @c4nary\n", "1:4", "cannot begin"),
    ],
)
def test_mistakes_in_the_file_of_secrets_do_not_repeat_it(tmp_path, text, place, reason):
    _, problems = write(tmp_path, text)
    (problem,) = [one for one in problems if reason in one.message]
    assert f"{problem.position.line}:{problem.position.column}" == place
    assert "c4nary" not in "".join(one.message for one in problems)


_CONFIG = """
store: ${secret:DB}
server: {port: "${secret:PORT}", host: "${env:HOST}", public_url: "${env:URL}"}
env: {a: "${secret:CANARY}"}
databases: {shop: {url: "${secret:DB}"}}
auth: {main-auth: {machine_users: {bot: {permissions: ["${env:PERMISSION}", "${secret:CANARY}"]}}}}
retention: {events: "${env:CANARY}"}
"""
_EXECUTOR = """
name: push
trigger: {schedule: {cron: "${env:CANARY}", timezone: "${env:CANARY}", missed: "${env:CANARY}", missed_max: "${secret:CANARY}"}}
target: {http: {url: "${secret:CANARY}", timeout: "${env:CANARY}", method: "${env:CANARY}", headers: {A: "${secret:CANARY}"}}}
"""
_WEBHOOK = """
name: hook
trigger:
  webhook: {verify: {type: "${env:CANARY}", encoding: "${secret:CANARY}", id: {from: "${env:CANARY}"}, secret: "${secret:CANARY}"}}
target: {job: {job_name: "${env:CANARY}", invoker: "${env:CANARY}"}}
"""


def test_the_canary_is_in_no_message_of_a_whole_project(tmp_path):
    """Every value that is filled in is wrong in its place, and nothing that is said of it shows it."""
    environment = dict.fromkeys(("HOST", "URL", "PERMISSION", "CANARY"), CANARY)
    (tmp_path / "executors").mkdir()
    (tmp_path / "executors" / "push.yaml").write_text(_EXECUTOR)
    (tmp_path / "executors" / "hook.yaml").write_text(_WEBHOOK)
    write(tmp_path, f"DB: {json.dumps(CANARY)}\nPORT: {json.dumps(CANARY)}\n")
    (tmp_path / "config" / "hub.yaml").write_text(_CONFIG)
    found = project.load_project(tmp_path, environment)
    text = "\n".join(str(problem) for problem in found.problems) + repr(found)
    assert len(found.problems) > 15
    for part in ("c4nary", CANARY, CANARY[6:], json.dumps(CANARY)[1:-1]):
        assert part not in text


def test_a_problem_with_secrets_keeps_the_configuration_from_being_used(tmp_path):
    write(tmp_path, "A: b\n", 0o644)
    found = project.load_project(tmp_path, {})
    assert found.config is None
    assert len(found.problems) == 1
    assert Sources({}, found.secrets).secrets.get("A").reveal() == "b"


def test_an_empty_secret_is_missing_to_those_that_name_it_and_to_nobody_else(tmp_path):
    write(tmp_path, "A: ''\nB: a-secret-of-enough-bytes\n")
    found = project.load_project(tmp_path, {})
    assert found.config is not None
    assert [problem.message for problem in found.problems] == ['the secret "A" is empty; give it a value or remove it']
    write(tmp_path, "A: ''\nB: [x]\n")
    assert project.load_project(tmp_path, {}).config is None, "this is no file of secrets"
    write(tmp_path, "A: ''\n")
    (tmp_path / "config" / "hub.yaml").write_text("store: ${secret:A}\n")
    assert project.load_project(tmp_path, {}).config is None, "the store cannot do without"
