"""References in executor files, and what no schema refuses: what is filled in at once, what where it is used, and what is told."""

import pytest
from executor_files import TARGET, messages, one

from hub.declare.secrets import Secrets, fill
from hub.model.executor import HttpTarget, JobTarget, ScheduleTrigger


def test_references_are_filled_in_where_nothing_is_secret(tmp_path):
    environment = {
        "STAGE": "live",
        "OFF": "true",
        "N": "7",
        "T": "5s",
        "LIMIT": "100",
        "CRON": "0 9 * * *",
        "ERP": "secret",
    }
    schedule = one(
        tmp_path,
        "disabled: ${env:OFF}\ntrigger:\n  schedule: {cron: '${env:CRON}', missed_max: '${env:N}', jitter: '${env:T}'}\n"
        "  condition: args.total > ${env:LIMIT}\ntarget: {job: {job_name: 'fetch-${env:STAGE}', invoker: anonymous, variables: {a: '${env:N}'}}}\n",
        environment,
    )
    assert schedule.disabled is True
    assert schedule.trigger == ScheduleTrigger("0 9 * * *", missed_max=7, jitter=5_000)
    assert schedule.condition == "args.total > 100"
    assert schedule.target == JobTarget("fetch-live", None, {"a": "7"})


def test_what_may_hold_secrets_is_filled_in_where_it_is_used(tmp_path):
    executor = one(
        tmp_path,
        "trigger: {webhook: {}}\ntarget:\n  http: {url: '${env:BASE}/x', timeout: '${env:T}', headers: {A: 'Bearer ${secret:ERP}'}, body: {a: ['${env:BASE}']}}\n",
        {"BASE": "https://x.example", "T": "9", "ERP": "c4nary"},
    )
    assert executor.target == HttpTarget(
        "${env:BASE}/x", "POST", {"A": "Bearer ${secret:ERP}"}, {"a": ["${env:BASE}"]}, 9_000, {}
    )
    filled = fill(
        executor.target.headers,
        {},
        Secrets({"ERP": "c4nary"}, {}),
        at=lambda where: executor.at("target", "http", "headers", *where),
    )
    assert filled["A"].reveal() == "Bearer c4nary"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "trigger: {webhook: {verify: {preset: github, secret: '${secret:ERQ}'}}}\n" + TARGET,
            'executors/abc.yaml:2:54: there is no secret ERQ. Did you mean "ERP"? Set it in the environment or in config/secrets.yaml.',
        ),
        *[
            (
                f"trigger: {{webhook: {{verify: {{preset: github, secret: {written}}}}}}}\n" + TARGET,
                f"executors/abc.yaml:2:{column}: what stands in ${{ }} is no reference, and would be the secret itself: write ${{secret:NAME}}",
            )
            for written, column in [("'${ERP}'", 54), ("'x:${secrets.ERP}'", 54), ("['${secret:ERP}', '${OLD}']", 72)]
        ],
        (
            "trigger: {webhook: {verify: {preset: github, secret: '${secrets:ERP}'}}}\n" + TARGET,
            "executors/abc.yaml:2:54: this is not a reference; write ${env:NAME} or ${secret:NAME}, with letters, digits and _ in the name",
        ),
        (
            "trigger: {schedule: {cron: '@daily', missed_max: '${env:MANY}'}}\n" + TARGET,
            "executors/abc.yaml:2:50: trigger.schedule.missed_max must be a whole number from 1 to 10000 with ${env:MANY} filled in",
        ),
        (
            "trigger: {schedule: {cron: '@daily', timezone: '${env:MANY}'}}\n" + TARGET,
            'executors/abc.yaml:2:48: there is no time zone "${env:MANY}". Names are those of the IANA database, such as "Europe/Berlin".',
        ),
        (
            "trigger: {webhook: {}}\ntarget: {http: {url: '${env:MANY}'}}\n",
            "executors/abc.yaml:3:22: target.http.url must be an address that begins with http:// or https:// with ${env:MANY} filled in",
        ),
        (
            "trigger: {webhook: {}}\ntarget: {job: {job_name: fetch, invoker: anonymous, variables: {a: ['${secret:ERP}']}}}\n",
            "executors/abc.yaml:3:69: target.job.variables.a[0] is shown to people, so it cannot hold a secret; use ${env:ERP} if its value is not secret",
        ),
        (
            "trigger: {webhook: {}, condition: '`${secret: ERP}`'}\n" + TARGET,
            "executors/abc.yaml:2:35: this is not a reference; write ${env:NAME} or ${secret:NAME}, with letters, digits and _ in the name",
        ),
    ],
)  # fmt: skip
def test_references_that_do_not_work(tmp_path, text, expected):
    assert messages(tmp_path, text, {"MANY": "c4nary of them"}) == [expected]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("timezone: Europe/Berln", '2:48: there is no time zone "Europe/Berln". Did you mean "Europe/Berlin"?'),
        ("timezone: utc", '2:48: there is no time zone "utc". Did you mean "UTC"?'),
        ("timezone: localtime", '2:48: there is no time zone "localtime".'),
        ("timezone: ../../etc/passwd", '2:48: there is no time zone "../../etc/passwd".'),
        ("timezone: /etc/localtime", '2:48: there is no time zone "/etc/localtime".'),
        ("start: 2026-02-30", "2:45: trigger.schedule.start: there is no such date or time"),
        ("end: 2026-01-01T25:00", "2:43: trigger.schedule.end: there is no such date or time"),
        ("start: 2026-02-01, end: 2026-01-01", "2:62: trigger.schedule.end: it lies before start"),
    ],
)
def test_schedules_that_no_schema_refuses(tmp_path, schedule, expected):
    (found,) = messages(tmp_path, f"trigger: {{schedule: {{cron: '@daily', {schedule}}}}}\n{TARGET}")
    assert found.startswith(f"executors/abc.yaml:{expected}")


def test_a_schema_that_is_none_is_reported_inside(tmp_path):
    (found,) = messages(
        tmp_path, f"trigger:\n  webhook:\n    schema:\n      properties: {{a: {{type: strin}}}}\n{TARGET}"
    )
    assert found.startswith("executors/abc.yaml:5:30: not a JSON Schema")
