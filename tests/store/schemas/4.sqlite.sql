CREATE TABLE answers (
    execution_id VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    result TEXT NOT NULL,
    "by" VARCHAR NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (execution_id, "key")
);

CREATE TABLE audit (
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    who VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    object TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT,
    result TEXT NOT NULL,
    hash VARCHAR NOT NULL,
    PRIMARY KEY (number)
);

CREATE INDEX audit_object ON audit (object, number);

CREATE INDEX audit_who ON audit (who, number);

CREATE TABLE audit_head (
    id INTEGER NOT NULL,
    number BIGINT NOT NULL,
    hash VARCHAR NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE checkpoints (
    execution_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    args TEXT NOT NULL,
    args_hash VARCHAR NOT NULL,
    result TEXT,
    error TEXT,
    attempts INTEGER NOT NULL,
    handled INTEGER NOT NULL,
    call_number BIGINT DEFAULT 0 NOT NULL,
    epoch INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (execution_id, path)
)
 WITHOUT ROWID;

CREATE INDEX checkpoints_contents ON checkpoints (result) WHERE substr(result, 1, 1) = '@';

CREATE TABLE commits (
    writer VARCHAR NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (writer, number)
);

CREATE TABLE contents (
    hash VARCHAR NOT NULL,
    packed BLOB NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (hash)
);

CREATE TABLE deliveries (
    id VARCHAR NOT NULL,
    event_id VARCHAR NOT NULL,
    executor VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    reason TEXT NOT NULL,
    execution_id VARCHAR,
    created_at BIGINT NOT NULL,
    evaluation TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX deliveries_executor ON deliveries (executor, id);

CREATE INDEX deliveries_executor_outcome ON deliveries (executor, outcome, id);

CREATE INDEX deliveries_outcome ON deliveries (outcome, id);

CREATE INDEX ix_deliveries_event_id ON deliveries (event_id);

CREATE TABLE events (
    id VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    "key" VARCHAR,
    type VARCHAR NOT NULL,
    namespace VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    time BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    payload TEXT NOT NULL,
    body BLOB,
    executors VARCHAR NOT NULL,
    state INTEGER NOT NULL,
    body_key VARCHAR,
    key_until BIGINT,
    PRIMARY KEY (id)
);

CREATE INDEX events_new_source ON events (source, id) WHERE state = 0;

CREATE UNIQUE INDEX events_source_body ON events (source, body_key) WHERE body_key IS NOT NULL;

CREATE UNIQUE INDEX events_source_key ON events (source, "key");

CREATE TABLE executions (
    id VARCHAR NOT NULL,
    workflow VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    args TEXT NOT NULL,
    invoker TEXT,
    result TEXT,
    error TEXT,
    idempotency_key VARCHAR,
    executor VARCHAR,
    event_id VARCHAR,
    requested_by VARCHAR NOT NULL,
    parent_id VARCHAR,
    attempts INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    concurrency_key VARCHAR NOT NULL,
    owner VARCHAR,
    epoch INTEGER NOT NULL,
    base_epoch INTEGER NOT NULL,
    due_at BIGINT,
    reason TEXT,
    revision VARCHAR,
    forked_from VARCHAR,
    forked_at VARCHAR,
    debounce_key VARCHAR,
    debounce_until BIGINT,
    rate_key VARCHAR,
    rate_at BIGINT,
    after_id VARCHAR,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    resumed_at BIGINT,
    finished_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE (idempotency_key)
);

CREATE INDEX executions_again ON executions (workflow, concurrency_key, due_at) WHERE due_at IS NOT NULL AND epoch > 0 AND concurrency_key <> '' AND priority > -500000;

CREATE INDEX executions_contents ON executions (result) WHERE substr(result, 1, 1) = '@';

CREATE INDEX executions_debounced ON executions (workflow, debounce_key) WHERE debounce_key IS NOT NULL AND status = 'PENDING';

CREATE INDEX executions_due ON executions (workflow, priority DESC, due_at, id) WHERE due_at IS NOT NULL;

CREATE INDEX executions_executor ON executions (executor, workflow, id) WHERE executor IS NOT NULL;

CREATE INDEX executions_executor_status ON executions (executor, workflow, status, id) WHERE status NOT IN ('RUNNING', 'SUCCESS');

CREATE INDEX executions_failed ON executions (finished_at) WHERE status = 'FAILED';

CREATE INDEX executions_held ON executions (status, workflow, concurrency_key) WHERE status = 'RUNNING';

CREATE INDEX executions_next ON executions (workflow, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX executions_open ON executions (executor) WHERE executor IS NOT NULL AND finished_at IS NULL;

CREATE INDEX executions_parent ON executions (parent_id) WHERE parent_id IS NOT NULL;

CREATE INDEX executions_parked ON executions (workflow, revision, id) WHERE status IN ('WAITING', 'PENDING', 'PENDING_RETRY', 'PENDING_RESUME') AND revision IS NOT NULL;

CREATE INDEX executions_queued ON executions (after_id) WHERE after_id IS NOT NULL;

CREATE INDEX executions_rated ON executions (workflow, rate_key, rate_at) WHERE rate_key IS NOT NULL;

CREATE INDEX executions_status ON executions (status, id) WHERE status NOT IN ('RUNNING', 'SUCCESS');

CREATE INDEX executions_sunk ON executions (workflow, concurrency_key, priority DESC, due_at, id) WHERE due_at IS NOT NULL AND priority < -500000;

CREATE INDEX executions_workflow ON executions (workflow, id);

CREATE INDEX executions_workflow_status ON executions (workflow, status, id) WHERE status NOT IN ('RUNNING', 'SUCCESS');

CREATE INDEX ix_executions_event_id ON executions (event_id);

CREATE TABLE executor_states (
    executor VARCHAR NOT NULL,
    paused INTEGER NOT NULL,
    definition VARCHAR,
    PRIMARY KEY (executor)
);

CREATE TABLE full_keys (
    workflow VARCHAR NOT NULL,
    concurrency_key VARCHAR NOT NULL,
    PRIMARY KEY (workflow, concurrency_key)
);

CREATE TABLE invitations (
    digest VARCHAR NOT NULL,
    name VARCHAR,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE INDEX ix_invitations_name ON invitations (name);

CREATE TABLE logs (
    id INTEGER NOT NULL,
    execution_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    at BIGINT NOT NULL,
    level VARCHAR NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_logs_execution_id ON logs (execution_id);

CREATE TABLE machine_secrets (
    id VARCHAR NOT NULL,
    auth_namespace VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (id)
);

CREATE INDEX machine_secrets_digest ON machine_secrets (digest);

CREATE INDEX machine_secrets_user ON machine_secrets (auth_namespace, name);

CREATE TABLE machine_user_states (
    auth_namespace VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    tokens_after BIGINT DEFAULT 0 NOT NULL,
    PRIMARY KEY (auth_namespace, name)
);

CREATE TABLE meta (
    "key" VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY ("key")
);

CREATE TABLE nodes (
    id VARCHAR NOT NULL,
    host VARCHAR NOT NULL,
    pid INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    revision VARCHAR DEFAULT '' NOT NULL,
    address VARCHAR DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE people (
    name VARCHAR NOT NULL,
    password VARCHAR,
    role VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    last_sign_in_at BIGINT,
    PRIMARY KEY (name)
);

CREATE TABLE permission_uses (
    auth_namespace VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    permission VARCHAR NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (auth_namespace, name, permission)
);

CREATE TABLE refused (
    id INTEGER NOT NULL,
    executor VARCHAR NOT NULL,
    received_at BIGINT NOT NULL,
    method VARCHAR NOT NULL,
    url TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    size INTEGER NOT NULL,
    step VARCHAR NOT NULL,
    reason TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX refused_executor ON refused (executor, id);

CREATE TABLE schedules (
    executor VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    next_fire_at BIGINT,
    PRIMARY KEY (executor)
);

CREATE INDEX schedules_next ON schedules (next_fire_at);

CREATE TABLE sessions (
    digest VARCHAR NOT NULL,
    person VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE INDEX ix_sessions_person ON sessions (person);

CREATE INDEX sessions_end ON sessions (expires_at);

CREATE TABLE signals (
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    payload TEXT NOT NULL,
    to_all INTEGER NOT NULL,
    execution_id VARCHAR,
    taken_by VARCHAR,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX signals_open ON signals (name, sent_at) WHERE taken_by IS NULL;

CREATE TABLE slots (
    executor VARCHAR NOT NULL,
    at BIGINT NOT NULL,
    event_id VARCHAR,
    outcome VARCHAR,
    reason TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (executor, at)
);

CREATE TABLE tries (
    digest VARCHAR NOT NULL,
    free_at BIGINT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE INDEX tries_end ON tries (free_at);

CREATE TABLE waits (
    execution_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    args TEXT NOT NULL,
    state VARCHAR NOT NULL,
    deadline BIGINT,
    default_result TEXT,
    created_at BIGINT NOT NULL,
    resolved_at BIGINT,
    resolved_by VARCHAR,
    permission VARCHAR,
    choice VARCHAR,
    PRIMARY KEY (execution_id, path)
)
 WITHOUT ROWID;

CREATE INDEX waits_asked ON waits (kind, created_at);

CREATE INDEX waits_inbox ON waits (kind, created_at) WHERE state = 'WAITING';

CREATE INDEX waits_open ON waits (kind, "key", created_at) WHERE state = 'WAITING';

CREATE TABLE webhook_tokens (
    executor VARCHAR NOT NULL,
    token VARCHAR NOT NULL,
    PRIMARY KEY (executor)
);

INSERT INTO meta (key, value) VALUES ('schema', '4');
