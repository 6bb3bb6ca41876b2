CREATE TABLE events (
    id VARCHAR COLLATE "C" NOT NULL,
    source VARCHAR COLLATE "C" NOT NULL,
    key VARCHAR COLLATE "C",
    type VARCHAR COLLATE "C" NOT NULL,
    namespace VARCHAR COLLATE "C" NOT NULL,
    model VARCHAR COLLATE "C" NOT NULL,
    time BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    body BYTEA,
    executors VARCHAR COLLATE "C" NOT NULL,
    state INTEGER NOT NULL,
    body_key VARCHAR COLLATE "C",
    key_until BIGINT,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX events_source_key ON events (source, key);

CREATE INDEX events_new ON events (id) WHERE state = 0;

CREATE UNIQUE INDEX events_source_body ON events (source, body_key) WHERE body_key IS NOT NULL;

CREATE TABLE deliveries (
    id VARCHAR COLLATE "C" NOT NULL,
    event_id VARCHAR COLLATE "C" NOT NULL,
    executor VARCHAR COLLATE "C" NOT NULL,
    outcome VARCHAR COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    execution_id VARCHAR COLLATE "C",
    created_at BIGINT NOT NULL,
    evaluation TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_deliveries_event_id ON deliveries (event_id);

CREATE INDEX deliveries_executor ON deliveries (executor, id);

CREATE TABLE executions (
    id VARCHAR COLLATE "C" NOT NULL,
    workflow VARCHAR COLLATE "C" NOT NULL,
    status VARCHAR COLLATE "C" NOT NULL,
    args TEXT COLLATE "C" NOT NULL,
    invoker TEXT COLLATE "C",
    result TEXT COLLATE "C",
    error TEXT COLLATE "C",
    idempotency_key VARCHAR COLLATE "C",
    executor VARCHAR COLLATE "C",
    event_id VARCHAR COLLATE "C",
    requested_by VARCHAR COLLATE "C" NOT NULL,
    parent_id VARCHAR COLLATE "C",
    attempts INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    concurrency_key VARCHAR COLLATE "C" NOT NULL,
    owner VARCHAR COLLATE "C",
    epoch INTEGER NOT NULL,
    base_epoch INTEGER NOT NULL,
    due_at BIGINT,
    reason TEXT COLLATE "C",
    revision VARCHAR COLLATE "C",
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE (idempotency_key)
);

CREATE INDEX executions_running ON executions (workflow, concurrency_key) WHERE status = 'RUNNING';

CREATE INDEX executions_due ON executions (workflow, priority DESC, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX executions_parent ON executions (parent_id) WHERE parent_id IS NOT NULL;

CREATE INDEX ix_executions_event_id ON executions (event_id);

CREATE INDEX executions_workflow ON executions (workflow, id);

CREATE TABLE checkpoints (
    execution_id VARCHAR COLLATE "C" NOT NULL,
    path VARCHAR COLLATE "C" NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    status VARCHAR COLLATE "C" NOT NULL,
    args TEXT COLLATE "C" NOT NULL,
    args_hash VARCHAR COLLATE "C" NOT NULL,
    result TEXT COLLATE "C",
    error TEXT COLLATE "C",
    attempts INTEGER NOT NULL,
    handled INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (execution_id, path)
);

CREATE TABLE logs (
    id SERIAL NOT NULL,
    execution_id VARCHAR COLLATE "C" NOT NULL,
    path VARCHAR COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    level VARCHAR COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_logs_execution_id ON logs (execution_id);

CREATE TABLE schedules (
    executor VARCHAR COLLATE "C" NOT NULL,
    definition VARCHAR COLLATE "C" NOT NULL,
    next_fire_at BIGINT,
    PRIMARY KEY (executor)
);

CREATE INDEX schedules_next ON schedules (next_fire_at);

CREATE TABLE slots (
    executor VARCHAR COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    event_id VARCHAR COLLATE "C",
    outcome VARCHAR COLLATE "C",
    reason TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (executor, at)
);

CREATE TABLE nodes (
    id VARCHAR COLLATE "C" NOT NULL,
    host VARCHAR COLLATE "C" NOT NULL,
    pid INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE webhook_tokens (
    executor VARCHAR COLLATE "C" NOT NULL,
    token VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (executor)
);

CREATE TABLE refused (
    id SERIAL NOT NULL,
    executor VARCHAR COLLATE "C" NOT NULL,
    received_at BIGINT NOT NULL,
    method VARCHAR COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    headers TEXT COLLATE "C" NOT NULL,
    body BYTEA NOT NULL,
    size INTEGER NOT NULL,
    step VARCHAR COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX refused_executor ON refused (executor, id);

CREATE TABLE executor_states (
    executor VARCHAR COLLATE "C" NOT NULL,
    paused INTEGER NOT NULL,
    PRIMARY KEY (executor)
);

CREATE TABLE meta (
    key VARCHAR COLLATE "C" NOT NULL,
    value VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (key)
);

CREATE TABLE waits (
    execution_id VARCHAR COLLATE "C" NOT NULL,
    path VARCHAR COLLATE "C" NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    kind VARCHAR COLLATE "C" NOT NULL,
    key VARCHAR COLLATE "C" NOT NULL,
    args TEXT COLLATE "C" NOT NULL,
    state VARCHAR COLLATE "C" NOT NULL,
    deadline BIGINT,
    default_result TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    resolved_at BIGINT,
    resolved_by VARCHAR COLLATE "C",
    permission VARCHAR COLLATE "C",
    PRIMARY KEY (execution_id, path)
);

CREATE INDEX waits_open ON waits (kind, key, created_at) WHERE state = 'WAITING';

CREATE TABLE answers (
    execution_id VARCHAR COLLATE "C" NOT NULL,
    key VARCHAR COLLATE "C" NOT NULL,
    result TEXT COLLATE "C" NOT NULL,
    by VARCHAR COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (execution_id, key)
);

CREATE TABLE signals (
    id VARCHAR COLLATE "C" NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    to_all INTEGER NOT NULL,
    execution_id VARCHAR COLLATE "C",
    taken_by VARCHAR COLLATE "C",
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX signals_open ON signals (name, sent_at) WHERE taken_by IS NULL;

INSERT INTO meta (key, value) VALUES ('schema', '1');
