"""order-processing: started by executors/order-created-workflow.yaml when somebody orders for more than 100."""

from __future__ import annotations

from hub import ConcurrencyPolicy, RetryPolicy, workflow
from workflows.jobs.process_order import process_order

order_processing = workflow(
    name="order-processing",
    main_job=process_order,
    # A failed execution is tried again up to three times, and keeps what it has already done. The waits grow from a
    # second to at most thirty, each of them a random part of that, so that many failures do not come back together.
    retry_policy=RetryPolicy(max_retries=3, initial_backoff="1s", max_backoff="30s", backoff_multiplier=2),
    # However many orders come in at once, five are worked on at a time; the others are PENDING.
    concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=5),
)
