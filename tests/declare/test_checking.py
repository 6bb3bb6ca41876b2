import json

import pytest
from jsonschema import Draft202012Validator

from hub.declare import reading
from hub.declare.checking import check, schema

_TARGET = "target: {job: {job_name: fetch, invoker: anonymous}}\n"
_TRIGGER = "trigger: {webhook: {}}\n"


def problems(text, kind="executor"):
    document = reading.read(text.encode(), "f.yaml")
    return [str(problem).removeprefix("f.yaml:") for problem in (*document.problems, *check(document, kind))]


def with_trigger(text):
    return f"name: abc\n{_TARGET}trigger:\n  {text}\n"


def with_target(text):
    return f"name: abc\n{_TRIGGER}target:\n  {text}\n"


@pytest.mark.parametrize("kind", ["executor", "config"])
def test_the_schemas_are_valid_closed_and_described(kind):
    whole = schema(kind)
    Draft202012Validator.check_schema(whole)
    assert json.loads(json.dumps(whole)) == whole

    def walk(part):
        if isinstance(part, dict):
            if isinstance(part.get("properties"), dict):
                assert part["additionalProperties"] is False
                for key, rule in part["properties"].items():
                    target = rule.get("$ref", "").removeprefix("#/$defs/")
                    assert rule.get("description") or whole["$defs"][target].get("description"), key
            for item in part.values():
                walk(item)
        elif isinstance(part, list):
            for item in part:
                walk(item)

    walk(whole)


def test_a_schema_is_handed_out_as_a_copy():
    schema("executor")["$defs"].clear()
    assert schema("executor")["$defs"]


def test_unknown_keys_come_with_the_closest_one():
    assert problems(with_trigger('webhook: {}\n  conditon: "x"')) == [
        '5:3: unknown key "conditon". Did you mean "condition"?'
    ]
    assert problems("nmae: abc\nname: abc\n" + _TRIGGER + _TARGET) == ['1:1: unknown key "nmae". Did you mean "name"?']
    assert problems("stor: x\n", "config") == ['1:1: unknown key "stor". Did you mean "store"?']
    assert problems("zzz: x\n", "config") == [
        '1:1: unknown key "zzz". Known: auth, databases, engine, env, outgoing, retention, server, store, store_options.'
    ]


def test_keys_that_are_unknown_are_shown_on_one_line_and_cut():
    (found,) = problems('"a\\nb\\u202ec": 1\n', "config")
    assert '"a\\nb\\u202ec"' in found
    (found,) = problems(f'"{"x" * 500}": 1\n', "config")
    assert len(found) < 200


def test_missing_keys_point_at_the_mapping_that_lacks_them():
    assert problems("description: x\n") == [
        '1:1: missing key "name"',
        '1:1: missing key "target"',
        '1:1: missing key "trigger"',
    ]
    assert problems(with_target("workflow: {workflow_name: abc}")) == [
        '4:3: missing key "invoker" in target.workflow: name a machine user, or write "anonymous"'
    ]
    assert problems(with_target("job:\n    job_name: abc")) == [
        '4:3: missing key "invoker" in target.job: name a machine user, or write "anonymous"'
    ]
    assert problems(with_trigger("event: {namespace: shop, type: record.created}")) == [
        '4:3: missing key "model" in trigger.event'
    ]
    assert problems(with_trigger("webhook: {verify: github}")) == [
        "4:21: trigger.webhook.verify: expected a mapping, found a string"
    ]
    assert problems(with_trigger("webhook: {verify: {secret: x}}")) == [
        '4:13: missing key in trigger.webhook.verify: write "preset" or "type"'
    ]


def test_wrong_types_are_named():
    assert problems("name: abc\ntrigger: foo\n" + _TARGET) == ["2:10: trigger: expected a mapping, found a string"]
    assert problems("[a]") == ["1:1: expected a mapping, found a list"]
    assert problems(with_trigger("event:")) == ["4:3: trigger.event: expected a mapping, found nothing"]
    assert problems(with_trigger("schedule: {cron: 5}")) == [
        "4:20: trigger.schedule.cron: expected text, found a number; put it in quotes"
    ]
    assert problems(with_trigger("webhook: {}\n  condition: true")) == [
        "5:14: trigger.condition: expected text, found true or false; put it in quotes"
    ]
    assert problems(with_trigger("webhook: {events: push}")) == [
        "4:21: trigger.webhook.events: expected a list, found a string"
    ]
    assert problems(with_target("workflow: {workflow_name: abc, invoker: anonymous, variables: [1]}")) == [
        "4:65: target.workflow.variables: expected an expression or a mapping, found a list"
    ]


def test_words_that_are_nearly_right_are_corrected():
    assert problems(with_trigger("schedule: {cron: '@daily', missed: lates}")) == [
        '4:38: trigger.schedule.missed: expected "latest", "skip" or "all". Did you mean "latest"?'
    ]
    assert problems(with_trigger("event: {namespace: shop, model: x, type: [record.created, record.update]}")) == [
        '4:61: trigger.event.type[1]: expected "record.created", "record.updated" or "record.deleted". Did you mean "record.updated"?'
    ]
    assert 'Did you mean "GET"?' in problems(with_target("http: {url: 'https://x', method: get}"))[0]
    assert 'Did you mean "anonymous"?' in problems(with_target("job: {job_name: abc, invoker: anonymus}"))[0]


def test_exactly_one_trigger_and_one_target():
    choice = '"event", "webhook" or "schedule"'
    assert problems("name: abc\ntrigger: {}\n" + _TARGET) == [f"2:1: missing key in trigger: write {choice}"]
    both = problems(with_trigger("webhook: {}\n  schedule: {cron: '@daily'}"))
    assert both == [f'5:3: trigger has both "webhook" and "schedule"; exactly one of {choice} is allowed']
    (found,) = problems(with_target("job: {job_name: abc, invoker: anonymous}\n  http: {url: 'https://x'}"))
    assert found.startswith('5:3: target has both "job" and "http"; exactly one of')
    # The misspelt key says it all.
    assert problems(with_trigger("webhok: {}")) == ['4:3: unknown key "webhok". Did you mean "webhook"?']


@pytest.mark.parametrize(
    "name",
    ["ab", "-abc", "abc-", "Abc", "a_b", "a.b", "../etc", "a" * 64, "abc\n", "аbc", "a b", "a\u202eb", "abc\x00"],
)
def test_names_that_are_none(name):
    text = f"name: {json.dumps(name)}\n" + _TRIGGER + _TARGET
    assert [found for found in problems(text) if "name" in found or "NUL" in found]
    text = f"databases: {{{json.dumps(name)}: {{url: 'sqlite:///x'}}}}\n"
    assert problems(text, "config")


@pytest.mark.parametrize("name", ["abc", "a1c", "0-9", "a" * 63])
def test_names_that_are(name):
    assert problems(f"name: '{name}'\n" + _TRIGGER + _TARGET) == []


@pytest.mark.parametrize("duration", ["30s", "250ms", "1.5h", "7d", "0s", "5 m", "12", "0.5"])
def test_durations_that_are(duration):
    assert problems(with_trigger(f"schedule: {{cron: '@daily', jitter: {duration}}}")) == []


@pytest.mark.parametrize("duration", ["'30'", "-1s", "-1", "s", "5y", "1h30m", "''", "true", "1e3s"])
def test_durations_that_are_none(duration):
    (found,) = problems(with_trigger(f"schedule: {{cron: '@daily', jitter: {duration}}}"))
    assert found.startswith(
        '4:38: trigger.schedule.jitter: expected a duration: a number and one of ms, s, m, h, d, such as "30s"'
    )


@pytest.mark.parametrize(
    "line",
    [
        "disabled: '${env:OFF}'",
        "trigger: {schedule: {cron: '${env:CRON}', timezone: '${env:TZ}', missed: '${env:M}', missed_max: '${env:N}', jitter: '${env:J}'}}",
        "trigger: {schedule: {cron: '@daily', start: '${env:S}', end: '${env:E}', overlap: '${env:O}', dst: {gap: '${env:G}'}}}",
        "trigger: {event: {namespace: '${env:DB}', model: '${env:T}', type: ['${env:K}']}}",
        "trigger: {webhook: {limits: {body: '${env:B}', rate: '${env:R}'}, response: {status: '${env:S}'}, methods: ['${env:M}']}}",
        "trigger: {webhook: {verify: {type: '${env:T}', algorithm: '${env:A}', secret: '${secret:S}', id: {from: '${env:F}', signed: '${env:G}'}}}}",
        "target: {http: {url: '${env:U}', timeout: '${env:T}', method: '${env:M}', retry: {max_retries: '${env:R}', backoff_multiplier: '${env:B}'}}}",
        "target: {job: {job_name: 'x-${env:STAGE}', invoker: {machine_user: {auth_namespace: '${env:N}', name: '${env:U}'}}}}",
    ],
)
def test_references_may_stand_in_any_scalar(line):
    lines = {"name": "name: abc\n", "trigger": _TRIGGER, "target": _TARGET, line.split(":")[0]: line + "\n"}
    assert problems("".join(lines.values())) == []


def test_what_was_refused_while_reading_is_not_reported_twice():
    found = problems("name: abc\ntrigger: *a\ntarget: {workflow: {workflow_name: abc, <<: *b}}\n")
    assert [one.split(": ")[0] for one in found] == ["2:10", "3:41", "3:45"]


def test_verify_knows_every_key_of_a_scheme():
    text = """
name: abc
trigger:
  webhook:
    verify:
      type: hmac
      header: X-Sig
      algorithm: sha256
      encoding: hex
      prefix: "sha256="
      list: {separator: ",", key: v1}
      content: "{timestamp}.{body}"
      timestamp: {from: "signature:t", unit: s, tolerance: 300s}
      secret_encoding: utf8
      secret: ${secret:ERP}
      id: {from: "header:X-Event-Id", signed: false}
      event: {from: ["header:X-Kind", "json:type"], then: "json:action"}
"""
    assert problems(text + _TARGET) == []
    for key, value in {
        "type": "hmca",
        "encoding": "hx",
        "secret": "[]",
        "id": "3",
        "timestamp": "{form: x}",
        "list": "{}",
    }.items():
        changed = "\n".join(
            f"      {key}: {value}" if line.startswith(f"      {key}:") else line for line in text.splitlines()
        )
        (found,) = problems(changed + "\n" + _TARGET)
        assert key in found or "form" in found


def test_no_message_repeats_a_value():
    canary = "c4nary"
    text = f"""
name: {canary}!
description: [{canary}]
trigger:
  schedule: {{cron: [{canary}], missed: {canary}, missed_max: {canary}, jitter: {canary}, start: {canary}}}
target:
  http: {{url: {canary}, method: {canary}, timeout: {canary}, headers: {{A: [{canary}]}}, retry: {canary}}}
"""
    found = problems(text)
    assert len(found) == 12
    assert canary not in "\n".join(found)
    text = (
        f"store: {canary}\nserver: {{port: {canary}, public_url: {canary}}}\ndatabases: {{shop: {{url: '{canary}'}}}}\n"
    )
    found = problems(text, "config")
    assert len(found) == 4
    assert canary not in "\n".join(found)
