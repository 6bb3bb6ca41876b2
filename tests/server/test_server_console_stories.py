"""What people do at the console, in a real browser on a real hub."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import statistics
from collections.abc import Iterator

import pytest
from browsing import at_the_console, sign_in
from hub_process import Hub, Project, until
from playwright.sync_api import expect
from server_projects import lay_out, noted, put_executor, start

WORKFLOWS = '''
from hub import wait_point
from pydantic import BaseModel


class Answer(BaseModel):
    approved: bool
    note: str = ""


approval = wait_point("approval", result=Answer)


async def come(name):
    """Until the test has made the file."""
    while not os.path.exists(name):
        await asyncio.sleep(0.01)


@job
async def pack(input, ctx: Context):
    for number in range(10):
        ctx.log.info("packed %d", number)
        await asyncio.sleep(0.05)
    await come("packed")
    return {"parcels": 1}


@job
async def ship(input, ctx: Context):
    ctx.log.info("order %s is packed", input["order"])
    return await pack.trigger(input)


@job
async def count(input, ctx: Context):
    await come("begin")
    for number in range(20):
        ctx.log.info("number %d", number)
        await asyncio.sleep(0.1)
    return {}


@job
async def call_supplier(input, ctx: Context):
    if not os.path.exists("mended"):
        raise RuntimeError("the supplier answers 503")
    return {"stock": 3}


@job
async def restock(input, ctx: Context):
    return await call_supplier.trigger(input)


@job
async def pay(input, ctx: Context):
    answer = await approval.wait({"invoice": input["invoice"]})
    return {"paid": answer.approved, "note": answer.note}


@job(at_most_once=True)
async def transfer(input, ctx: Context):
    note(ctx, "transfer")
    await come("sent")
    return {"sent": input["amount"]}


@job
async def pay_out(input, ctx: Context):
    return await transfer.trigger(input)


paying_out = workflow("paying-out", pay_out)
counting = workflow("counting", count)
shipping = workflow("shipping", ship)
restocking = workflow("restocking", restock)
paying = workflow("paying", pay)
'''

ORDERS = {
    "trigger": {
        "event": {"namespace": "shop", "type": "record.created", "model": "items"},
        "condition": "args.newRecord.total > 100",
    },
    "target": start("shipping", "({ order: context.event.data.id })"),
}


@pytest.fixture
def shop(project: Project) -> Iterator[Hub]:
    lay_out(project, WORKFLOWS, orders=ORDERS)
    with project.serving() as hub:
        yield hub


def order(project: Project, total: float, executor: str = "orders") -> None:
    """Until it has been decided upon: a page that was opened before would go on showing that it has not."""
    before = len(project.outcomes(executor))
    project.sqlite("shop.db", "INSERT INTO items (name, total) VALUES ('a lamp', ?)", total)
    until(lambda: len(project.outcomes(executor)) > before)


def begin(project: Project, workflow: str, args: object) -> str:
    begun = project.run("workflow", "start", workflow, "-m", "workflow-bot", "-a", json.dumps(args), "--json")
    identifier: str = begun.json["id"]
    return identifier


def test_an_order_arrives_and_finishes_before_ones_eyes(project: Project, shop: Hub) -> None:
    with at_the_console(shop) as (page, _):
        expect(page.get_by_text("Nothing needs you.")).to_be_visible()
        page.get_by_role("link", name="Events").click()
        order(project, 40)
        page.get_by_role("link", name="1 new").click()
        expect(page.locator("tbody tr")).to_contain_text("filtered")
        order(project, 500)
        page.get_by_role("link", name="1 new").click()
        row = page.locator("tbody tr").first
        expect(row).to_contain_text("started")
        row.get_by_role("link", name="record.created").click()
        expect(page.get_by_text("args.newRecord.total > 100").first).to_be_visible()
        page.locator("a[href*='/console/executions/']").first.click()
        logs = page.get_by_label("logs")
        expect(logs).to_contain_text("packed 9")
        expect(page.locator("#head .chip")).to_contain_text("running")
        page.evaluate("window.here = true")
        (project.folder / "packed").touch()
        expect(page.locator("#head .chip")).to_contain_text("success")
        expect(page.locator("#result")).to_contain_text("parcels")
        assert page.evaluate("window.here") is True, "nobody has loaded the page again"
        assert logs.locator(".line").count() == 11
        page.locator("a.row", has_text="pack").last.click()
        expect(page.get_by_label("job", exact=True)).to_contain_text("ship/pack")
        assert page.evaluate("window.here") is True


#: Notes for each line how long after it was written it was on the page.
_OBSERVE = """
window.late = [];
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) for (const line of addedNodes) {
    if (line.querySelector) window.late.push(Date.now() - Date.parse(line.querySelector("time").dateTime));
  }
}).observe(document.getElementById("logs"), { childList: true });
"""


def test_a_log_line_is_on_the_open_page_in_an_instant(project: Project, shop: Hub) -> None:
    running = begin(project, "counting", {})
    with at_the_console(shop) as (page, _):
        page.goto(f"/console/executions/{running}")
        expect(page.locator("#fall")).to_contain_text("count")
        page.evaluate(_OBSERVE)
        (project.folder / "begin").touch()
        expect(page.locator("#head .chip")).to_contain_text("success")
        late = page.evaluate("window.late")
        assert len(late) == 20
        assert statistics.median(late) < 5_000, late  # it is a few hundredths of a second where nothing else goes on


def test_why_an_event_was_filtered(project: Project, shop: Hub) -> None:
    order(project, 40)
    with at_the_console(shop) as (page, _):
        page.goto("/console/events?outcome=filtered")
        page.locator("tbody tr").first.click()
        expect(page.get_by_text("the condition args.newRecord.total > 100 was not met").first).to_be_visible()
        expect(page.locator(".steps")).to_contain_text("gave false")
        expect(page.locator(".tree")).to_contain_text("a lamp")


def test_an_executor_is_mended_and_its_event_replayed(project: Project) -> None:
    broken = {**ORDERS, "trigger": {**ORDERS["trigger"], "condition": "args.newRecord.customer.name === 'Ada'"}}
    lay_out(project, WORKFLOWS, orders=broken)
    with project.serving() as hub, at_the_console(hub) as (page, _):
        order(project, 500)
        page.goto("/console")
        concern = page.locator(".attention li", has_text="orders could not start 1 delivery")
        expect(concern).to_contain_text("TypeError")
        concern.get_by_role("link", name="orders could not start").click()
        page.get_by_role("link", name="preview it").click()
        preview = page.get_by_label("what it would be")
        expect(preview).to_contain_text("TypeError")
        put_executor(project, "orders", ORDERS)
        until(lambda: page.reload() and "it would start shipping" in preview.inner_text())
        page.goto("/console")
        concern.get_by_role("button", name="Replay").click()
        expect(page.get_by_role("status")).to_contain_text("Replayed. orders: started.")
        page.goto("/console")
        expect(page.get_by_text("Nothing needs you.")).to_be_visible()


def test_a_failed_execution_is_resumed(project: Project, shop: Hub) -> None:
    failed = begin(project, "restocking", {"sku": "A-1"})
    assert project.ended(failed) == "FAILED"
    with at_the_console(shop) as (page, _):
        concern = page.locator(".attention li", has_text="restocking failed once")
        expect(concern).to_contain_text("the supplier answers 503")
        (project.folder / "mended").touch()
        concern.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("status")).to_contain_text("It goes on.")
        page.goto(f"/console/executions/{failed}")
        expect(page.locator("#head .chip")).to_contain_text("success")
        expect(page.locator("#result")).to_contain_text("stock")


def test_an_approval_is_answered(project: Project, shop: Hub) -> None:
    waiting = begin(project, "paying", {"invoice": "I-7"})
    until(lambda: project.status(waiting) == "WAITING")
    with at_the_console(shop) as (page, _):
        page.goto("/console/wait-points")
        expect(page.locator(".ask .tree")).to_contain_text("I-7")
        page.get_by_label("Approved").check()
        page.get_by_label("Note").fill("on Friday")
        page.get_by_role("button", name="Answer").click()
        expect(page.get_by_role("status")).to_contain_text("Answered.")
        assert project.ended(waiting) == "SUCCESS"
        page.goto(f"/console/executions/{waiting}")
        expect(page.locator("#result")).to_contain_text("on Friday")
        page.goto("/console/audit")
        expect(page.locator("tbody")).to_contain_text("wait-point:resolve")


def test_what_became_of_interrupted_calls_is_said_by_a_person(project: Project) -> None:
    """Each word is taken once, and only the one that says so lets the call run again."""
    lay_out(project, WORKFLOWS)
    with project.serving() as hub:
        cut = [begin(project, "paying-out", {"amount": amount}) for amount in (1, 2, 3)]
        until(lambda: len(noted(project)) == 3)
        hub.kill()
    with project.serving() as hub, at_the_console(hub) as (page, _):
        until(lambda: [project.status(one) for one in cut] == ["WAITING"] * 3)
        page.goto("/console")
        concern = page.locator(".attention li", has_text="paying-out: nobody knows what became of 3 calls")
        expect(concern).to_be_visible()
        for identifier, word, status in zip(
            cut, ("It was done", "It had no effect", "Run it again"), ("SUCCESS", "FAILED", "SUCCESS"), strict=True
        ):
            page.goto(f"/console/executions/{identifier}?job=pay-out/transfer")
            page.get_by_label("Its result").fill('{"sent": "by hand"}')
            (project.folder / "sent").touch()
            page.get_by_role("button", name=word).click()
            expect(page.get_by_role("status")).to_contain_text("Settled.")
            assert project.ended(identifier) == status
        assert project.execution(cut[0])["result"] == {"sent": "by hand"}
        assert "had no effect" in project.execution(cut[1])["error"]["message"]
        assert project.execution(cut[2])["result"] == {"sent": 3}
        runs = [words[0].partition("/")[0] for words in noted(project)]
        assert [runs.count(one) for one in cut] == [1, 1, 2]
        page.goto("/console/audit")
        expect(page.locator("tbody tr", has_text="execution:settle")).to_have_count(3)
        page.goto("/console")
        expect(page.get_by_text("nobody knows")).to_have_count(0)


def test_a_list_is_followed(project: Project, shop: Hub) -> None:
    order(project, 40)
    with at_the_console(shop) as (page, _):
        page.goto("/console/events")
        page.get_by_role("link", name="Follow").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.evaluate("window.here = true")
        order(project, 500)
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(page.locator("tbody tr").first).to_contain_text("started")
        order(project, 50)
        expect(page.locator("tbody tr")).to_have_count(3)
        expect(page.locator("tbody tr").first).to_contain_text("filtered")
        assert page.evaluate("window.here") is True, "nobody has loaded the page again"


def test_filters_of_executions_are_kept_beside_each_other(project: Project, shop: Hub) -> None:
    order(project, 500)
    by_hand = begin(project, "shipping", {"order": 7})
    failed = begin(project, "restocking", {"sku": "A-1"})
    assert project.ended(failed) == "FAILED"
    until(lambda: len(project.run("workflow", "executions", "-s", "RUNNING", "--json").json) == 2)
    with at_the_console(shop) as (page, _):
        page.goto("/console/executions")
        rows = page.locator("#rows tr")
        expect(rows).to_have_count(3)
        page.get_by_label("workflow").select_option("shipping")
        page.wait_for_url("**/executions?*workflow=shipping*")
        expect(rows).to_have_count(2)
        page.get_by_label("executor").select_option("orders")
        page.wait_for_url("**/executions?*executor=orders*")
        expect(rows).to_have_count(1)
        expect(page.get_by_label("workflow")).to_have_value("shipping")
        expect(page.get_by_text("--executor orders")).to_contain_text("-n shipping")
        page.get_by_role("group", name="status").get_by_role("link", name="running").click()
        page.wait_for_url("**/executions?*status=RUNNING*")
        expect(page.get_by_label("workflow")).to_have_value("shipping")
        expect(page.get_by_label("executor")).to_have_value("orders")
        expect(rows).to_have_count(1)

        page.get_by_label("workflow").select_option("restocking")
        page.wait_for_url("**/executions?*workflow=restocking*")
        expect(page.get_by_text("Nothing here with these filters")).to_be_visible()
        page.get_by_label("executor").select_option("")
        page.wait_for_url(lambda url: "executor=orders" not in url)
        page.get_by_role("group", name="status").get_by_role("link", name="all").click()
        expect(rows).to_have_count(1)

        page.goto("/console/executors/orders?tab=executions")
        page.get_by_role("link", name="all of its executions").click()
        page.wait_for_url("**/executions?executor=orders")
        expect(rows).to_have_count(1)
        page.goto(f"/console/executions/{by_hand}")
        page.get_by_role("link", name="shipping").first.click()
        page.wait_for_url("**/executions?workflow=shipping")
        expect(rows).to_have_count(2)


def test_the_keyboard_goes_everywhere(project: Project, shop: Hub) -> None:
    order(project, 40)
    with at_the_console(shop) as (page, _):
        page.clock.set_fixed_time(0)  # two keys belong together for a while only
        for key, place in [
            ("e", "events"),
            ("x", "executions"),
            ("r", "executors"),
            ("s", "schedules"),
            ("a", "audit"),
        ]:
            page.keyboard.press("g")
            page.keyboard.press(key)
            page.wait_for_url(f"**/console/{place}")
        page.keyboard.press("g")
        page.keyboard.press("e")
        page.wait_for_url("**/console/events")
        page.keyboard.press("j")
        expect(page.locator("tr.at")).to_have_count(1)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/console/events/[0-9A-Z]{26}"))
        page.keyboard.press("/")
        page.keyboard.type("orders")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="orders").first.click()
        page.wait_for_url("**/console/executors/orders")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        page.reload()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark, "it is remembered"


def test_how_a_value_is_reached_is_copied_with_the_keyboard(project: Project, shop: Hub) -> None:
    order(project, 40)
    with at_the_console(shop, permissions=["clipboard-read", "clipboard-write"]) as (page, _):
        page.goto("/console/events?outcome=filtered")
        page.locator("tbody tr").first.click()
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            value = page.locator(".tree li", has_text="total").last
            buttons = value.locator("button")
            expect(buttons.first).to_have_css("opacity", "0")
            buttons.first.focus()
            page.keyboard.press("Tab")
            reached = page.locator(":focus")
            expect(reached).to_have_attribute("data-copy", "args.newRecord.total")
            for button in buttons.all():
                expect(button).to_have_css("opacity", "1")
                box = button.bounding_box()
                assert box is not None
                assert box["width"] > 16, "it is seen whole"
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.keyboard.press("Enter")
            expect(reached).to_have_text("copied")
            assert page.evaluate("navigator.clipboard.readText()") == "args.newRecord.total"
            page.evaluate("document.activeElement.blur()")


def test_reading_needs_no_script_and_fits_a_phone(project: Project, shop: Hub) -> None:
    failed = begin(project, "restocking", {"sku": "A-1"})
    assert project.ended(failed) == "FAILED"
    order(project, 40)
    with at_the_console(shop, java_script_enabled=False) as (page, _):
        page.set_viewport_size({"width": 390, "height": 800})
        for path in [
            "", "/events", "/executions", f"/executions/{failed}", f"/executions/{failed}?job=restock/call-supplier",
            "/executors", "/executors/orders", "/executors/orders?tab=file", "/schedules", "/wait-points",
            "/machine-users", "/audit", "/people",
        ]:  # fmt: skip
            page.goto(f"/console{path}")
            expect(page.locator("main")).to_be_visible()
            assert page.locator("main").inner_text().strip()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{path} is wider than a phone"
        page.goto(f"/console/executions/{failed}")
        page.get_by_role("button", name="Cancel").count()
        (project.folder / "mended").touch()
        page.get_by_role("button", name="Resume").click()
        assert project.ended(failed) == "SUCCESS"


def test_long_names_and_texts_without_a_space_fit_a_phone(project: Project) -> None:
    name, word = "a-name-of-" + "z" * 53, "nospace" * 300
    code = f"""
@job(name={name!r})
async def stumble(input, ctx: Context):
    ctx.log.info({word!r})
    raise RuntimeError({word!r})

failing = workflow({name!r}, stumble)
"""
    lay_out(project, WORKFLOWS + code, **{name: {**ORDERS, "description": word, "target": start(name, "{}")}})
    with project.serving() as hub:
        order(project, 500, name)
        (failed,) = until(lambda: project.run("workflow", "executions", "-s", "FAILED", "--json").json)
        with at_the_console(hub) as (page, _):
            page.set_viewport_size({"width": 360, "height": 740})
            for path in [
                "", "/events", f"/events/{failed['cause']['event_id']}", "/executions",
                f"/executions?workflow={name}&executor={name}", f"/executions/{failed['id']}",
                f"/executions/{failed['id']}?job={name}", "/executors", f"/executors/{name}",
                f"/executors/{name}?tab=executions", "/machine-users", "/audit",
            ]:  # fmt: skip
                page.goto(f"/console{path}")
                expect(page.locator("main")).to_be_visible()
                assert page.evaluate("document.documentElement.scrollWidth") <= 360, f"{path} is wider than a phone"
            page.goto(f"/console/executions/{failed['id']}")
            told = page.locator(".said").bounding_box()
            assert told is not None
            assert told["height"] < 370, "a long error leaves room for the rest"


def test_a_refused_delivery_is_let_in_once_the_secret_is_mended(project: Project) -> None:
    wrong, right = "0123456789abcdef" * 2, "fedcba9876543210" * 2
    body = b'{"ref": "main"}'

    def hook(secret: str) -> dict[str, object]:
        verify = {"preset": "github", "secret": secret}
        return {"trigger": {"webhook": {"verify": verify}}, "target": start("echoing", "JSON.stringify(args.body)")}

    lay_out(project, WORKFLOWS, pushes=hook(wrong))
    with project.serving() as hub:
        signed = "sha256=" + hmac.new(right.encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-github-event": "push", "x-github-delivery": "one", "content-type": "application/json"}
        assert (
            hub.post("/webhooks/pushes", content=body, headers={**headers, "x-hub-signature-256": signed}).status_code
            == 401
        )
        with at_the_console(hub) as (page, _):
            page.locator(".attention li", has_text="pushes refused 1 delivery").get_by_role("link", name="Show").click()
            page.get_by_role("link", name="no signature matches").click()
            page.get_by_role("link", name="Check again").click()
            expect(page.locator(".steps").last).to_contain_text("no signature matches")
            expect(page.get_by_role("button", name="Let it in")).to_have_count(0)
            refused = page.url
        hub.stop()
    lay_out(project, WORKFLOWS, pushes=hook(right))
    with project.serving() as hub, sign_in(hub) as page:
        page.goto(re.sub(r"http://[^/]+", hub.url, refused))
        expect(page.locator(".steps").last).to_contain_text("it holds")
        page.get_by_role("button", name="Let it in").click()
        expect(page.get_by_role("status")).to_contain_text("Let in")
        until(lambda: project.outcomes("pushes"))
        page.reload()
        expect(page.locator(".steps")).to_contain_text("started")
