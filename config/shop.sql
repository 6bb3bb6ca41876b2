-- The shop of the worked example: the tables that executors/ watch and workflows/ write to. Running it again changes nothing.

CREATE TABLE IF NOT EXISTS customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL
);

-- A new row here starts order-processing.
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    total REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'new', -- new, processed
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- What customers were told. The key is the same for every try of the job that sends: one message, whatever happens.
CREATE TABLE IF NOT EXISTS notifications (
    idempotency_key TEXT PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    recipient TEXT NOT NULL,
    message TEXT NOT NULL,
    sent_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- The supplier's catalogue, as daily-sync last saw it.
CREATE TABLE IF NOT EXISTS products (
    sku TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    price REAL NOT NULL,
    synced_at TEXT NOT NULL -- ISO 8601: the night of the sync
);

-- What came in by the webhook-workflow executor.
CREATE TABLE IF NOT EXISTS inbox (
    idempotency_key TEXT PRIMARY KEY,
    body TEXT NOT NULL, -- JSON
    received_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- Commits that github-push has seen. A commit is recorded once, however often GitHub tells of it.
CREATE TABLE IF NOT EXISTS pushes (
    repository TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    ref TEXT NOT NULL,
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    pushed_by TEXT NOT NULL,
    recorded_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (repository, commit_id)
);

INSERT OR IGNORE INTO customers (id, name, email) VALUES
    (1, 'Ada Lovelace', 'ada@example.com'),
    (2, 'Grace Hopper', 'grace@example.com'),
    (3, 'Katherine Johnson', 'katherine@example.com');
