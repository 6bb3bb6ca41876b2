"""None"""

import os

import pytest
from executor_files import TARGET, load, one, write

from hub.declare.executors import load_executors
from hub.declare.filling import Sources
from hub.declare.project import load_project
from hub.declare.secrets import Secrets
from hub.model.executor import (
    EventTrigger,
    GraphqlTarget,
    HttpTarget,
    JobTarget,
    Position,
    ScheduleTrigger,
    WebhookTrigger,
    WorkflowTarget,
)
from hub.model.identity import InvokerRef

EXAMPLE = """\
# executors/order-created.yaml
name: order-created
description: Process an order when it is created
disabled: false
trigger:
  event: {namespace: shop, type: record.created, model: orders}
  condition: "args.newRecord.total > 100"
target:
  workflow:
    workflow_name: order-processing
    invoker: {machine_user: {auth_namespace: main-auth, name: workflow-bot}}
    variables: "({ orderId: context.event.data.id })"
"""


SCHEME = """\
verify:
  type: hmac                 # hmac | ed25519 | ecdsa_p256 | jwt | token | basic | bearer | none
  header: X-Sig
  algorithm: sha256          # never taken from the request
  encoding: hex              # hex | base64
  prefix: "sha256="
  list: {separator: ",", key: v1}
  content: "{timestamp}.{body}"
  timestamp: {from: "signature:t", unit: s, tolerance: 300s}
  secret_encoding: utf8      # utf8 | base64 | hex
  secret: ${secret:ERP}
  id: {from: "header:X-Event-Id", signed: false}
"""


def test_the_example_loads_as_it_stands(tmp_path):
    loaded = load(tmp_path, order_created=EXAMPLE)
    assert loaded.problems == ()
    assert loaded.broken == frozenset()
    (executor,) = loaded.executors
    assert executor.name == "order-created"
    assert executor.description == "Process an order when it is created"
    assert not executor.disabled
    assert executor.trigger == EventTrigger("shop", ("record.created",), "orders")
    assert executor.condition == "args.newRecord.total > 100"
    assert executor.target == WorkflowTarget(
        "order-processing", InvokerRef("main-auth", "workflow-bot"), "({ orderId: context.event.data.id })"
    )
    assert executor.source == EXAMPLE
    assert executor.at("trigger", "condition") == Position("executors/order-created.yaml", 7, 14)
    assert executor.at("target", "workflow", "workflow_name") == Position("executors/order-created.yaml", 10, 20)


def test_the_scheme_loads_as_it_stands_and_keeps_its_references(tmp_path):
    indented = SCHEME.replace("\n", "\n    ").strip()
    executor = one(tmp_path, f"trigger:\n  webhook:\n    {indented}\n{TARGET}", {"ERP": "x"})
    assert executor.trigger.verify == {
        "type": "hmac",
        "header": "X-Sig",
        "algorithm": "sha256",
        "encoding": "hex",
        "prefix": "sha256=",
        "list": {"separator": ",", "key": "v1"},
        "content": "{timestamp}.{body}",
        "timestamp": {"from": "signature:t", "unit": "s", "tolerance": "300s"},
        "secret_encoding": "utf8",
        "secret": "${secret:ERP}",
        "id": {"from": "header:X-Event-Id", "signed": False},
    }


def test_a_preset_loads_as_it_stands(tmp_path):
    text = 'trigger:\n  webhook:\n    verify: {preset: github, secret: "${secret:ERP}"}\n    events: [push, "pull_request.*"]\n'
    trigger = one(tmp_path, text + TARGET).trigger
    assert trigger == WebhookTrigger(
        verify={"preset": "github", "secret": "${secret:ERP}"}, events=("push", "pull_request.*"), methods=("POST",)
    )


@pytest.mark.parametrize("text", ["webhook: {}", "webhook:", "webhook: ~"])
def test_a_webhook_without_settings_means_the_token_in_its_address(tmp_path, text):
    assert one(tmp_path, f"trigger:\n  {text}\n{TARGET}").trigger == WebhookTrigger(verify=None, methods=("POST",))


def test_a_webhook_with_everything(tmp_path):
    trigger = one(
        tmp_path,
        "trigger:\n  webhook:\n    methods: [PUT, POST, PUT]\n    dedupe: {window: 3d, key: 'json:a.b'}\n"
        "    limits: {body: 2MiB, content_types: [application/json], rate: 60, concurrency: 4}\n"
        "    response: {status: 200, body: '[accepted]'}\n    schema: {type: object, required: [id]}\n" + TARGET,
    ).trigger
    assert trigger.methods == ("PUT", "POST")
    assert trigger.dedupe == {"window": "3d", "key": "json:a.b"}
    assert trigger.limits == {"body": "2MiB", "content_types": ["application/json"], "rate": 60, "concurrency": 4}
    assert trigger.response == {"status": 200, "body": "[accepted]"}
    assert trigger.schema == {"type": "object", "required": ["id"]}


def test_several_record_events(tmp_path):
    text = f"trigger: {{event: {{namespace: shop, model: o, type: [record.updated, record.deleted, record.updated]}}}}\n{TARGET}"
    assert one(tmp_path, text).trigger.types == ("record.updated", "record.deleted")


def test_a_schedule_with_everything(tmp_path):
    trigger = one(
        tmp_path,
        "trigger:\n  schedule:\n    cron: 0 9 * * 1-5\n    timezone: Europe/Berlin\n    missed: all\n    missed_window: 2d\n"
        "    missed_max: 5\n    overlap: queue_one\n    jitter: 90\n    start: 2026-01-01\n    end: 2026-07-01T00:00:00Z\n"
        "    dst: {gap: skip, overlap: both}\n" + TARGET,
    ).trigger
    assert trigger == ScheduleTrigger(
        cron="0 9 * * 1-5",
        timezone="Europe/Berlin",
        missed="all",
        missed_window=172_800_000,
        missed_max=5,
        overlap="queue_one",
        jitter=90_000,
        start=1_767_222_000_000,  # midnight in Berlin, not in Greenwich
        end=1_782_864_000_000,
        dst={"gap": "skip", "overlap": "both"},
    )


def test_a_schedule_with_defaults(tmp_path):
    assert one(tmp_path, f"trigger: {{schedule: {{cron: '@daily'}}}}\n{TARGET}").trigger == ScheduleTrigger("@daily")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("job: {job_name: fetch, invoker: anonymous, variables: {a: '${{ args.a }}'}}", JobTarget("fetch", None, {"a": "${{ args.a }}"})),
        ("workflow: {workflow_name: abc, invoker: anonymous, variables: }", WorkflowTarget("abc", None, None)),
        ("http: {url: 'https://x.example'}", HttpTarget("https://x.example", "POST", {}, None, 30_000, {})),
        (
            "http: {url: 'https://x.example/${{ args.id }}', method: PUT, headers: {A: b}, body: {a: [1]}, timeout: 5s, retry: {max_retries: 2}}",
            HttpTarget("https://x.example/${{ args.id }}", "PUT", {"A": "b"}, {"a": [1]}, 5_000, {"max_retries": 2}),
        ),
        (
            "graphql: {url: 'https://x.example', query: '{ a }', variables: '({})', timeout: 1m}",
            GraphqlTarget("https://x.example", "{ a }", "({})", {}, 60_000, {}),
        ),
    ],
)  # fmt: skip
def test_targets(tmp_path, text, target):
    assert one(tmp_path, f"trigger: {{webhook: {{}}}}\ntarget:\n  {text}\n").target == target


def test_everything_wrong_in_many_files_is_reported_at_once(tmp_path):
    write(
        tmp_path,
        good_one=EXAMPLE.replace("name: order-created", "name: good-one"),
        syntax="name: syntax\ntrigger: [\n",
        many="name: other\ntrigger: {event: {type: record.create}, conditon: x}\ntarget: {job: {job_name: A}}\nname: x\n",
        anchors="name: anchors\ntrigger: {webhook: &a {}}\n" + TARGET,
    )
    (tmp_path / "executors" / "binary.yml").write_bytes(b"name: \xff")
    (tmp_path / "executors" / "Bad Name.yaml").write_text(f"name: bad\ntrigger: {{webhook: {{}}}}\n{TARGET}")
    loaded = load(tmp_path)
    assert [executor.name for executor in loaded.executors] == ["good-one"]
    assert loaded.broken == {"syntax", "many", "anchors", "binary", "Bad Name"}
    assert [str(problem.position) for problem in loaded.problems] == [
        "executors/Bad Name.yaml:1:1",
        "executors/anchors.yaml:2:20",
        "executors/binary.yml:1:7",
        "executors/many.yaml:1:7",
        "executors/many.yaml:2:11",
        "executors/many.yaml:2:11",
        "executors/many.yaml:2:25",
        "executors/many.yaml:2:41",
        "executors/many.yaml:3:10",
        "executors/many.yaml:3:26",
        "executors/many.yaml:4:1",
        "executors/syntax.yaml:2:10",
    ]


def test_a_name_that_is_filled_in_is_the_files_too(tmp_path):
    (tmp_path / "executors").mkdir()
    text = f"name: ${{env:NAME}}\ntrigger: {{webhook: {{}}}}\n{TARGET}"
    (tmp_path / "executors" / "push.yaml").write_text(text)
    assert not load_executors(tmp_path, Sources({"NAME": "push"}, Secrets({}, {}))).problems
    (problem,) = load_executors(tmp_path, Sources({"NAME": "pull"}, Secrets({}, {}))).problems
    assert str(problem).startswith('executors/push.yaml:1:7: the name must be the file\'s: write "push"')


def test_the_name_is_the_files(tmp_path):
    loaded = load(tmp_path, push=f"name: pull\ntrigger: {{webhook: {{}}}}\n{TARGET}")
    assert [str(problem) for problem in loaded.problems] == [
        'executors/push.yaml:1:7: the name must be the file\'s: write "push", or rename the file to pull.yaml'
    ]
    assert loaded.broken == {"push"}


def test_one_name_in_two_files_is_neither(tmp_path):
    text = f"name: push\ntrigger: {{webhook: {{}}}}\n{TARGET}"
    write(tmp_path, push=text)
    (tmp_path / "executors" / "push.yml").write_text(text)
    loaded = load(tmp_path)
    assert [str(problem) for problem in loaded.problems] == [
        "executors/push.yml:1:1: this executor is already in executors/push.yaml; keep one of the two files"
    ]
    assert loaded.executors == ()
    assert loaded.broken == {"push"}


def test_only_yaml_files_right_in_the_folder_are_read(tmp_path):
    text = f"name: abc\ntrigger: {{webhook: {{}}}}\n{TARGET}"
    write(tmp_path, abc=text)
    folder = tmp_path / "executors"
    for name in ("README.md", "abc.yaml.bak", ".abc.yaml", "abc.json", "abc.YAML"):
        (folder / name).write_text("[")
    (folder / "abc.yml.txt").write_text("[")
    (folder / "nested").mkdir()
    (folder / "nested" / "deep.yaml").write_text("[")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "deep.yaml").write_text("[")
    (folder / "folder.yaml").mkdir()
    loaded = load(tmp_path)
    assert [executor.name for executor in loaded.executors] == ["abc"]
    assert loaded.problems == ()
    assert [str(one) for one in loaded.overlooked] == [
        "executors/abc.YAML:1:1: this file is not read: rename it to abc.yaml",
        "executors/abc.yml.txt:1:1: this file is not read: rename it to abc.yml",
        "executors/nested/deep.yaml:1:1: this file is not read: move it to executors/ itself",
    ]


def test_no_folder_is_no_executor(tmp_path):
    assert load_executors(tmp_path).executors == ()


def test_odd_files_neither_block_nor_break_the_messages(tmp_path):
    write(tmp_path)
    folder = tmp_path / "executors"
    os.mkfifo(folder / "pipe.yaml")
    (folder / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (folder / "line\nbreak.yaml").write_text("a: 1")
    (folder / os.fsdecode(b"caf\xe9.yaml")).write_text("[")
    loaded = load(tmp_path)
    for problem in loaded.problems:
        assert "\n" not in str(problem)
        str(problem).encode()
    assert "executors/pipe.yaml:1:1: this is not a file" in [str(problem) for problem in loaded.problems]
    assert len(loaded.broken) == 4


def test_a_whole_project(tmp_path):
    write(tmp_path, order_created=EXAMPLE, broken="[")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "hub.yaml").write_text("stor: x\n")
    (tmp_path / "config" / "secrets.yaml").write_text("A:\n")
    (tmp_path / "config" / "secrets.yaml").chmod(0o600)
    project = load_project(tmp_path, {})
    assert [str(problem.position) for problem in project.problems] == [
        "config/hub.yaml:1:1",
        "config/secrets.yaml:1:1",
        "executors/broken.yaml:1:1",
    ]
    assert project.config is None
    assert [executor.name for executor in project.loaded.executors] == ["order-created"]
