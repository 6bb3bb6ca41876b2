"""daily-sync: started every night by executors/daily-sync-workflow.yaml. Copies a supplier's catalogue, page by page."""

from __future__ import annotations

import httpx
from pydantic import BaseModel, Field

from hub import ConcurrencyPolicy, Context, NonRetryable, RetryPolicy, job, workflow

#: Answers that another try may change: time-outs, too many requests, faults of the server.
_TRY_AGAIN = frozenset({408, 425, 429, *range(500, 600)})

_UPSERT = (
    "INSERT INTO products (sku, name, price, synced_at) VALUES (:sku, :name, :price, :date) "
    "ON CONFLICT (sku) DO UPDATE SET name = excluded.name, price = excluded.price, synced_at = excluded.synced_at"
)


class Product(BaseModel):
    sku: str
    name: str
    price: float


class CataloguePage(BaseModel):
    """What the supplier answers: `{"items": […], "nextPage": 2}`, the last page with `"nextPage": null`."""

    items: list[Product]
    next_page: int | None = Field(alias="nextPage")


class Night(BaseModel):
    """`{"date": "2026-05-04T02:00:00.000Z"}`, as the executor sends it."""

    date: str


class PageRef(BaseModel):
    page: int
    date: str


class PageStored(BaseModel):
    products: int
    next_page: int | None


class Synced(BaseModel):
    pages: int
    products: int


@job
async def sync_catalogue(input: Night, ctx: Context) -> Synced:
    """Each page is a job: a sync that breaks off at page 40 goes on there, not at page 1."""
    pages = products = 0
    page: int | None = 1
    while page is not None:
        stored = await sync_page.trigger({"page": page, "date": input.date})
        pages, products, page = pages + 1, products + stored.products, stored.next_page
    ctx.log.info("%d products on %d pages", products, pages)
    return Synced(pages=pages, products=products)


@job(timeout="1m", retry=RetryPolicy(max_retries=5, initial_backoff="500ms", max_backoff="30s"))
def sync_page(input: PageRef, ctx: Context) -> PageStored:
    """Fetch one page and store its products. Doing it twice leaves the same rows.

    The address comes from config/hub.yaml, not from the input: it may be changed there while a sync is under way.
    """
    page = fetch(ctx.env["catalogue_url"], input.page)
    if page.next_page is not None and page.next_page <= input.page:
        raise NonRetryable(f"page {input.page} of the catalogue says that page {page.next_page} comes next")
    rows = [{**product.model_dump(), "date": input.date} for product in page.items]
    ctx.database("shop").run_many(_UPSERT, rows)
    return PageStored(products=len(page.items), next_page=page.next_page)


def fetch(url: str, page: int) -> CataloguePage:
    """One page of the catalogue. Raises NonRetryable where trying again is hopeless, else what httpx raises."""
    answer = httpx.get(url, params={"page": page}, timeout=10)
    if answer.is_error and answer.status_code not in _TRY_AGAIN:
        raise NonRetryable(f"the catalogue answered {answer.status_code} for page {page}: is catalogue_url right?")
    answer.raise_for_status()
    return CataloguePage.model_validate_json(answer.content)


daily_sync = workflow(
    name="daily-sync",
    main_job=sync_catalogue,
    # Two nights never run at the same time, not even when the first one is late.
    concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=1),
    retry_policy=RetryPolicy(max_retries=5, initial_backoff="1m", max_backoff="30m"),
)
