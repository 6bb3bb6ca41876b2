"""A project's files, read and held against each other: everything that is wrong, and what is left that works."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from hub.assembly.files import Files, database_url, read_files
from hub.declare.secrets import Secret
from hub.model.errors import NotFound

CONFIG = """
databases:
  shop: {url: "sqlite:///var/shop.db"}
auth:
  main-auth: {machine_users: {workflow-bot: {permissions: ["workflow:start:*"]}}}
"""
WORKFLOWS = """
from hub import job, workflow

@job
async def greet(input):
    return input

@job
async def lonely(input):
    return input

greeting = workflow("greeting", greet)
"""
BOT = "{machine_user: {auth_namespace: main-auth, name: workflow-bot}}"
STARTS = f"target: {{workflow: {{workflow_name: greeting, invoker: {BOT}}}}}\n"


def project(folder: Path, files: dict[str, str], environment: dict[str, str] | None = None) -> Files:
    for name, text in {"config/hub.yaml": CONFIG, "workflows/all.py": WORKFLOWS, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return read_files(folder, environment or {})


def said(files: Files) -> list[str]:
    return [str(problem) for problem in files.problems]


def test_a_sound_project_has_nothing_to_say(tmp_path: Path) -> None:
    files = project(
        tmp_path,
        {
            "executors/hook.yaml": f"name: hook\ntrigger: {{webhook: {{}}}}\n{STARTS}",
            "executors/nightly.yaml": f"name: nightly\ntrigger: {{schedule: {{cron: 0 2 * * *}}}}\n{STARTS}",
        },
    )
    assert said(files) == []
    assert [one.name for one in files.executors] == ["hook", "nightly"]
    assert set(files.endpoints) == {"hook"}
    assert files.broken == frozenset()
    assert set(files.registry.workflows) == {"greeting"}


def test_what_is_of_no_effect_is_worth_a_line_and_no_problem(tmp_path: Path) -> None:
    flow = "workflow('{0}', job(name='{0}')(lambda: 1))"
    shared = "from hub import job\n\n@job\ndef shared():\n    return 1\n"
    files = project(
        tmp_path,
        {
            "executors/Hook.YAML": "[",
            "executors/old/hook.yml": "[",
            "executors/job.yaml": (
                f"name: job\ntrigger: {{webhook: {{}}}}\ntarget: {{job: {{job_name: aimed-at, invoker: {BOT}}}}}\n"
            ),
            "workflows/__init__.py": "",
            "workflows/aimed.py": "from hub import job\n\n@job\ndef aimed_at():\n    return 1\n",
            "workflows/constants.py": "LIMIT = 10\n",
            "workflows/empty.py": "# nothing yet\n",
            "workflows/jobs/used.py": shared,
            "workflows/jobs/unused.py": shared.replace("shared", "unused"),
            "workflows/uses.py": (
                "from hub import job, wait_point, workflow\n\nfrom .constants import LIMIT\nfrom workflows.jobs import used\n\n"
                f"FLOWS = [\n    {flow.format('in-a-list')},\n]\nMORE = {{'a': {flow.format('in-a-dict')}}}\n"
                f"class Flows:\n    one = {flow.format('in-a-class')}\n    asks = wait_point('asks')\n"
                f"named = {flow.format('found')}\nALL = [named, *FLOWS]\n"
            ),
        },
    )
    assert said(files) == []
    add = 'add name = workflow("…", main_job=…), or import it in a file that does'
    inside = 'workflows/uses.py:{}:1: the {} "{}" stands in {}, where it is not looked for: name it at the top level of uses.py, {} = …'
    assert [str(warning) for warning in files.warnings] == [
        "executors/Hook.YAML:1:1: this file is not read: rename it to Hook.yaml",
        "executors/old/hook.yml:1:1: this file is not read: move it to executors/ itself",
        f"workflows/empty.py:1:1: this file declares no workflow and no job: {add}",
        f"workflows/jobs/unused.py:1:1: nothing starts the jobs of this file: {add}",
        inside.format(7, "workflow", "in-a-list", "FLOWS", "in_a_list"),
        inside.format(9, "workflow", "in-a-dict", "MORE", "in_a_dict"),
        inside.format(11, "workflow", "in-a-class", "Flows", "in_a_class"),
        inside.format(12, "wait point", "asks", "Flows", "asks"),
    ]
    assert set(files.discovered.registry.workflows) == {"greeting", "found"}


def test_files_of_no_effect_are_not_told_of_while_one_cannot_be_imported(tmp_path: Path) -> None:
    files = project(tmp_path, {"workflows/constants.py": "LIMIT = 10\n", "workflows/uses.py": "import constants\n"})
    assert len(files.problems) == 1
    assert files.warnings == ()


def test_a_secret_that_stands_in_the_file_itself_is_warned_of_and_never_repeated(tmp_path: Path) -> None:
    def hook(name: str, secret: str) -> str:
        return f"name: {name}\ntrigger: {{webhook: {{verify: {{preset: github, secret: {secret}}}}}}}\n{STARTS}"

    files = project(
        tmp_path,
        {
            "executors/both.yaml": hook("both", "['${secret:ONE}', c4nary-of-a-secret]"),
            "executors/named.yaml": hook("named", "'${secret:ONE}'"),
            "executors/plain.yaml": hook("plain", "c4nary-of-a-secret"),
        },
        {"ONE": "another-c4nary-of-a-secret"},
    )
    assert said(files) == []
    assert [str(one).partition(": the secret itself stands here")[0] for one in files.warnings] == [
        "executors/both.yaml:2:54",
        "executors/plain.yaml:2:54",
    ]
    assert "c4nary" not in str(files.warnings)


def test_problems_of_all_sources_are_told_at_once_by_their_place(tmp_path: Path) -> None:
    """YAML, keys, names across files, expressions, cron, targets, secrets and Python: none hides another."""
    files = project(
        tmp_path,
        {
            "executors/a-bent.yaml": "name: a-bent\ntrigger: {webhook: {}\ntarget: 1\n",
            "executors/b-key.yaml": f"name: b-key\ntriger: {{webhook: {{}}}}\n{STARTS}",
            "executors/c-workflow.yaml": (
                "name: c-workflow\ntrigger: {webhook: {}}\n"
                f"target: {{workflow: {{workflow_name: greetin, invoker: {BOT}}}}}\n"
            ),
            "executors/d-syntax.yaml": f"name: d-syntax\ntrigger: {{webhook: {{}}, condition: 'args.('}}\n{STARTS}",
            "executors/e-cron.yaml": f"name: e-cron\ntrigger: {{schedule: {{cron: 0 0 30 2 *}}}}\n{STARTS}",
            "executors/f-secret.yaml": (
                "name: f-secret\ntrigger: {webhook: {verify: {preset: github, secret: '${secret:NOT_THERE}'}}}\n"
                + STARTS
            ),
            "executors/g-user.yaml": (
                "name: g-user\ntrigger: {webhook: {}}\ntarget: {workflow: {workflow_name: greeting, "
                "invoker: {machine_user: {auth_namespace: main-auth, name: workflow-bo}}}}\n"
            ),
            "executors/h-space.yaml": (
                "name: h-space\ntrigger: {event: {namespace: shopp, type: record.created, model: orders}}\n" + STARTS
            ),
            "executors/i-fine.yaml": f"name: i-fine\ntrigger: {{webhook: {{}}}}\n{STARTS}",
            "workflows/broken.py": "import nothing_of_this_name\n",
            "workflows/typed.py": "from hub import job\n\n@job\ndef read(input: type): ...\n",
        },
    )
    problems = said(files)
    assert problems == [str(one) for one in sorted(files.problems)], "sorted by place"
    for place, words in [
        ("executors/a-bent.yaml:3:1", "is missing here"),
        ("executors/b-key.yaml:2:1", '"trigger"'),
        ("executors/d-syntax.yaml:2:41", "SyntaxError"),
        ("executors/e-cron.yaml:2:28", "never comes"),
        ("executors/f-secret.yaml:2:", "NOT_THERE"),
        ("executors/g-user.yaml:3:", '"workflow-bot"'),
        ("executors/h-space.yaml:2:", '"shop"'),
        ("workflows/broken.py:1", "nothing_of_this_name"),
        ("workflows/typed.py:3:1: <class 'type'>", "has no JSON form"),
    ]:
        assert any(one.startswith(place) and words in one for one in problems), (place, words, problems)
    assert not any("i-fine" in one for one in problems)
    assert not any("c-workflow" in one for one in problems), "it may be in the file that cannot be imported"
    assert files.broken >= {"a-bent", "b-key", "f-secret"}
    assert "i-fine" in files.endpoints
    assert "i-fine" not in files.broken


def test_one_mistake_in_a_file_hides_none_of_its_others(tmp_path: Path) -> None:
    files = project(
        tmp_path,
        {
            "config/hub.yaml": (
                "sever: {}\nauth: {main-auth: {machine_users: {workflow-bot: {permissions: ['workflow:strt:*']}}}}\n"
            ),
            "executors/hook.yaml": (
                "name: hook\nunknown: 1\ntrigger: {webhook: {verify: {preset: github, secret: abc}}, condition: 'args.('}\n"
                "target: {workflow: {workflow_name: greetin, invoker: {machine_user: {auth_namespace: main-auth, name: bot}}}}\n"
            ),
            "executors/rows.yaml": (
                "name: rows\ntrigger: {event: {namespace: shop, type: record.created, model: orders}}\n"
                "target: {http: {url: 'https://a.example', retry: {initial_backoff: 2h}, method: get}}\n"
            ),
        },
    )
    told = [
        ("config/hub.yaml:1:1", '"server"'),
        ("config/hub.yaml:2:65", '"workflow:start"'),
        ("executors/hook.yaml:2:1", "unknown key"),
        ("executors/hook.yaml:3:54", "shorter than 16 bytes"),
        ("executors/hook.yaml:3:78", "SyntaxError"),
        ("executors/hook.yaml:4:36", '"greeting"'),
        ("executors/hook.yaml:4:103", "machine user"),
        ("executors/rows.yaml:2:30", "database"),
        ("executors/rows.yaml:3:50", "at most 1h"),
        ("executors/rows.yaml:3:81", '"GET"'),
    ]
    problems = said(files)
    assert len(problems) == len(told), problems
    for problem, (place, words) in zip(problems, told, strict=True):
        assert problem.startswith(f"{place}: "), (problem, place)
        assert words in problem
    assert (files.executors, dict(files.endpoints)) == ((), {})
    assert files.broken == {"hook", "rows"}


def test_an_unknown_workflow_is_told_when_all_of_python_was_read(tmp_path: Path) -> None:
    files = project(
        tmp_path,
        {
            "executors/hook.yaml": (
                "name: hook\ntrigger: {webhook: {}}\n"
                f"target: {{workflow: {{workflow_name: greetin, invoker: {BOT}}}}}\n"
            )
        },
    )
    assert said(files) == [
        'executors/hook.yaml:3:36: there is no workflow "greetin". Did you mean "greeting"?',
    ]


def test_what_would_end_every_call_is_told_before_the_first(tmp_path: Path) -> None:
    files = project(
        tmp_path,
        {
            "executors/call.yaml": (
                "name: call\ntrigger: {webhook: {}}\ntarget:\n  http:\n    url: https://a.example\n    timeout: 0s\n"
                "    headers:\n      X-A: a\n      Host: b.example\n    retry: {initial_backoff: 2h}\n"
            )
        },
    )
    assert said(files) == [
        "executors/call.yaml:6:14: a timeout of nothing ends every call before it begins; leave it out for 30s",
        "executors/call.yaml:9:13: the header Host is the hub's own matter; leave it out",
        "executors/call.yaml:10:12: initial_backoff is 2h: it must be at most 1h",
    ]
    assert "http.call" not in files.registry.workflows


def test_a_job_target_brings_its_workflow_along(tmp_path: Path) -> None:
    target = f"target: {{job: {{job_name: lonely, invoker: {BOT}}}}}\n"
    files = project(tmp_path, {"executors/hook.yaml": f"name: hook\ntrigger: {{webhook: {{}}}}\n{target}"})
    assert said(files) == []
    wrapped = files.registry.workflow("job.lonely")
    assert wrapped.main_job is files.registry.jobs["lonely"]
    assert files.registry.revision("job.lonely")


def test_a_disabled_webhook_has_no_door_and_is_not_broken(tmp_path: Path) -> None:
    files = project(
        tmp_path,
        {
            "executors/off.yaml": (
                "name: off\ndisabled: true\ntrigger: {webhook: {verify: {preset: github, secret: short}}}\n" + STARTS
            )
        },
    )
    assert files.endpoints == {}
    assert files.broken == frozenset()


def test_a_config_that_cannot_be_used_leaves_the_rest_checked(tmp_path: Path) -> None:
    files = project(
        tmp_path,
        {"config/hub.yaml": "stor: x\n", "executors/hook.yaml": f"name: hook\ntriger: {{webhook: {{}}}}\n{STARTS}"},
    )
    assert files.config is None
    places = [one.split(": ")[0] for one in said(files)]
    assert "config/hub.yaml:1:1" in places
    assert "executors/hook.yaml:2:1" in places


def test_secrets_come_from_the_environment_and_are_shown_nowhere(tmp_path: Path) -> None:
    secret = "the-value-of-the-secret-itself"
    files = project(
        tmp_path,
        {
            "executors/hook.yaml": (
                "name: hook\ntrigger: {webhook: {verify: {preset: github, secret: '${secret:GITHUB}'}}}\n" + STARTS
            )
        },
        {"GITHUB": secret},
    )
    assert said(files) == []
    assert set(files.endpoints) == {"hook"}
    assert files.secret("GITHUB") == secret
    assert secret not in repr(files)
    with pytest.raises(NotFound):
        files.secret("OTHER")


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("sqlite:///var/hub.db", "sqlite:///{root}/var/hub.db"),
        ("sqlite:////data/hub.db", "sqlite:////data/hub.db"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
    ],
)
def test_addresses_of_databases_are_made_absolute(tmp_path: Path, url: str, made: str) -> None:
    assert database_url(Secret(url), tmp_path) == made.format(root=str(tmp_path).lstrip("/")).replace(
        "sqlite:///" + str(tmp_path).lstrip("/"), f"sqlite:///{tmp_path}"
    )


@pytest.mark.parametrize(
    ("secret", "serves"),
    [("0123456789abcdef", True), ("mysecret", True), ("dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", False)],
)
def test_a_short_secret_is_a_problem_and_still_verifies_but_a_published_one_does_not(
    tmp_path: Path, secret: str, serves: bool
) -> None:
    preset = "zendesk" if secret.endswith("==") else "github"
    trigger = f"trigger: {{webhook: {{verify: {{preset: {preset}, secret: '{secret}'}}}}}}\n"
    files = project(tmp_path, {"executors/hooked.yaml": f"name: hooked\n{trigger}{STARTS}"})
    assert ("hooked" in files.endpoints) is serves
    assert ("hooked" in files.broken) is not serves
    said = [problem.message for problem in files.problems]
    assert len(said) == (0 if len(secret) == 16 else 1)
    assert all("secret is" in message and secret not in message for message in said)


def test_a_package_of_another_project_hides_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert said(project(first, {"workflows/__init__.py": ""})) == []
    shared = "from hub import job\n\n@job\ndef shared():\n    return 1\n"
    uses = "from hub import workflow\nfrom workflows.jobs.used import shared\n\nusing = workflow('using', shared)\n"
    files = project(second, {"workflows/a_flow.py": uses, "workflows/jobs/used.py": shared})
    assert said(files) == []
    assert "using" in files.registry.workflows
