import pytest

from hub.declare.config import parse_config
from hub.declare.cross_check import Checkers, cross_check
from hub.declare.executors import parse_executor
from hub.declare.filling import Sources
from hub.declare.reading import read
from hub.declare.secrets import Secrets
from hub.model.errors import ExpressionError

CONFIG = """
databases: {shop: {url: 'sqlite:///shop.db'}, warehouse: {url: 'sqlite:///w.db'}}
auth:
  main-auth:
    machine_users:
      workflow-bot: {permissions: ["workflow:start:order-*"]}
      ops: {permissions: [admin]}
"""
WORKFLOW = """\
name: abc
trigger:
  event: {namespace: shop, type: record.created, model: orders}
target:
  workflow:
    workflow_name: order-processing
    invoker: {machine_user: {auth_namespace: main-auth, name: workflow-bot}}
"""
NAMES = {"workflows": {"order-processing", "billing"}, "jobs": {"fetch-order"}, "presets": {"github", "gitlab"}}


def sources(environment):
    return Sources(environment, Secrets(environment, {}))


def check(text, checkers=None, config=CONFIG, environment=None, **names):
    executor, problems = parse_executor(read(text.encode(), "executors/abc.yaml"), sources(environment or {}))
    assert problems == []
    if config is not None:
        config, problems = parse_config(read(config.encode(), "config/hub.yaml"), sources({}))
        assert problems == []
    found = cross_check([executor], config, checkers=checkers, **(NAMES | names))
    return [str(problem).removeprefix("executors/abc.yaml:") for problem in found]


def with_trigger(text):
    return f"name: abc\ntrigger:\n  {text}\ntarget: {{job: {{job_name: fetch-order, invoker: anonymous}}}}\n"


def test_everything_that_is_named_exists():
    assert check(WORKFLOW) == []
    assert check(with_trigger("webhook: {verify: {preset: github}}")) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("order-processing", "order-procesing", '6:20: there is no workflow "order-procesing". Did you mean "order-processing"?'),
        ("order-processing", "order-zzzzzzzzzzzz", '6:20: there is no workflow "order-zzzzzzzzzzzz". Known: billing, order-processing.'),
        # Nobody is told to grant a right to what is not there.
        ("order-processing", "biling", '6:20: there is no workflow "biling". Did you mean "billing"?'),
        ("namespace: shop", "namespace: shp0", '3:22: there is no database "shp0". Did you mean "shop"?'),
        ("main-auth", "man-auth", '7:46: there is no auth namespace "man-auth". Did you mean "main-auth"?'),
        ("workflow-bot", "workflow-bt0", '7:63: there is no machine user "workflow-bt0". Did you mean "workflow-bot"?'),
        (
            "order-processing",
            "billing",
            '7:63: machine user "workflow-bot" may not start "billing"; grant it "workflow:start:billing" in config/hub.yaml',
        ),
    ],
)  # fmt: skip
def test_names_that_lead_nowhere(old, new, expected):
    assert check(WORKFLOW.replace(old, new)) == [expected]


def test_jobs_and_workflows_are_not_mixed_up():
    job = "name: abc\ntrigger: {webhook: {}}\ntarget:\n  job: {job_name: order-processing, invoker: anonymous}\n"
    assert check(job) == [
        '4:19: there is no job "order-processing", but something else has this name: write workflow: {workflow_name: …}'
    ]
    workflow = job.replace("job: {job_name: order-processing", "workflow: {workflow_name: fetch-order")
    assert check(workflow) == [
        '4:29: there is no workflow "fetch-order", but something else has this name: write job: {job_name: …}'
    ]


def test_a_job_needs_the_permission_too():
    text = "name: abc\ntrigger: {webhook: {}}\ntarget:\n  job: {job_name: fetch-order, invoker: {machine_user: {auth_namespace: main-auth, name: NAME}}}\n"
    assert check(text.replace("NAME", "ops")) == []
    (found,) = check(text.replace("NAME", "workflow-bot"))
    assert 'grant it "workflow:start:fetch-order"' in found


def test_presets():
    assert check(with_trigger("webhook: {verify: {preset: githup}}")) == [
        '3:30: there is no preset "githup". Did you mean "github"?'
    ]


def test_what_could_not_be_loaded_is_not_judged():
    text = WORKFLOW.replace("order-processing", "unknown").replace("namespace: shop", "namespace: unknown")
    assert check(text, config=None, workflows=None, jobs=None) == []


def test_a_name_that_was_filled_in_is_not_repeated():
    text = WORKFLOW.replace("workflow_name: order-processing", "workflow_name: '${env:NAME}'")
    assert check(text, environment={"NAME": "order-processin"}) == [
        '6:20: there is no workflow of the name that is filled in here. Did you mean "order-processing"?'
    ]


def test_all_of_many_executors_in_one_list():
    texts = [WORKFLOW.replace("order-processing", "gone"), WORKFLOW.replace("namespace: shop", "namespace: gone")]
    executors = [
        parse_executor(read(text.encode(), f"executors/{n}.yaml"), sources({}))[0] for n, text in enumerate(texts)
    ]
    found = cross_check(executors, None, **NAMES)
    assert [problem.position.file for problem in found] == ["executors/0.yaml"]
    config, _ = parse_config(read(CONFIG.encode(), "config/hub.yaml"), sources({}))
    found = cross_check(executors, config, **NAMES)
    assert [(problem.position.file, problem.position.line) for problem in found] == [
        ("executors/0.yaml", 6),
        ("executors/1.yaml", 3),
    ]


def failing(word):
    """A judge that dislikes `word`, and says where it stands."""

    def judge(text):
        for number, line in enumerate(text.split("\n"), 1):
            if word in line:
                return ExpressionError("unexpected token", line=number, column=line.index(word) + 1)
        return None

    return judge


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("a > BAD", "3:18"),
        ("'a > BAD'", "3:19"),
        ("'it''s > BAD'", "3:23"),
        ('"a > BAD"', "3:19"),
        (r'"\"a\u0020> BAD"', "3:26"),
        (r'"\x41\U0001F600BAD"', "3:29"),
        ("|\n    a >\n    BAD", "5:5"),
        ("|\n    a >\n      BAD", "5:7"),
        ("|-\n\n    a >\n\n    1 + BAD # x", "7:9"),
        (">\n    a >\n    BAD", "3:14"),
        ("a >\n    BAD", "3:14"),
        ("'a >\n    BAD'", "3:14"),
    ],
)
def test_an_error_in_an_expression_is_shown_at_its_place_in_the_file(written, place):
    text = f"name: abc\ntrigger:\n  condition: {written}\n  webhook: {{}}\ntarget: {{job: {{job_name: fetch-order, invoker: anonymous}}}}\n"
    assert check(text, Checkers(expression=failing("BAD"))) == [f"{place}: unexpected token"]


def test_an_error_behind_something_filled_in_is_shown_at_the_beginning():
    text = with_trigger("condition: '${env:A} BAD'\n  webhook: {}")
    assert check(text, Checkers(expression=failing("BAD")), environment={"A": "some long text"}) == [
        "3:14: unexpected token"
    ]


def test_an_error_without_a_place_is_shown_at_the_beginning():
    text = with_trigger("condition: BAD\n  webhook: {}")
    assert check(text, Checkers(expression=lambda _: ExpressionError("too long"))) == ["3:14: too long"]


def variables(value):
    """A judge of texts in a value, like the one that looks for `${{ }}`."""
    judge = failing("BAD")

    def walk(part, where):
        if isinstance(part, dict):
            return [one for key, item in part.items() for one in walk(item, (*where, key))]
        if isinstance(part, list):
            return [one for index, item in enumerate(part) for one in walk(item, (*where, index))]
        error = judge(part) if isinstance(part, str) else None
        return [] if error is None else [(where, error)]

    return walk(value, ())


@pytest.mark.parametrize(
    ("target", "places"),
    [
        ("job: {job_name: fetch-order, invoker: anonymous, variables: (BAD)}", ["4:64"]),
        ("job: {job_name: fetch-order, invoker: anonymous, variables: {a: 1, b: [x, 'x BAD']}}", ["4:80"]),
        ("workflow: {workflow_name: billing, invoker: anonymous, variables: {a: '${{ BAD }}'}}", ["4:78"]),
        ("http: {url: 'https://x/BAD', headers: {A: BAD}, body: {a: [BAD]}}", ["4:26", "4:45", "4:62"]),
        ("http: {url: 'https://x', body: BAD}", ["4:34"]),
        ("graphql: {url: 'https://x', query: BAD, variables: {a: BAD}}", ["4:58"]),
    ],
)
def test_variables_are_judged_where_they_stand(target, places):
    text = f"name: abc\ntrigger: {{webhook: {{}}}}\ntarget:\n  {target}\n"
    found = check(text, Checkers(variables=variables))
    assert found == [f"{place}: unexpected token" for place in places]


def test_the_answer_of_a_webhook_is_judged_where_it_stands():
    text = with_trigger("webhook: {response: {body: '{\"id\": ${{ BAD }}}'}}")
    assert check(text, Checkers(variables=variables)) == ["3:42: unexpected token"]


def test_cron_and_verify_are_judged_by_others():
    asked = []

    def cron(text, timezone):
        asked.append((text, timezone))
        return "there is no minute 61"

    checkers = Checkers(cron=cron, verify=lambda _: [(("secret",), "too short"), (("timestamp", "unit"), "odd")])
    assert check(with_trigger("schedule: {cron: '61 * * * *', timezone: Europe/Berlin}"), checkers) == [
        "3:20: there is no minute 61"
    ]
    assert asked == [("61 * * * *", "Europe/Berlin")]
    text = with_trigger("webhook: {verify: {type: hmac, secret: x, timestamp: {from: 'header:T'}}}")
    assert check(text, checkers) == ["3:42: too short", "3:56: odd"]
