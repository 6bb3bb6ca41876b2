CREATE TABLE answers (
    execution_id VARCHAR COLLATE "C" NOT NULL,
    key VARCHAR COLLATE "C" NOT NULL,
    result TEXT COLLATE "C" NOT NULL,
    by VARCHAR COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (execution_id, key)
);

CREATE TABLE audit (
    number BIGSERIAL NOT NULL,
    at BIGINT NOT NULL,
    who VARCHAR COLLATE "C" NOT NULL,
    action VARCHAR COLLATE "C" NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    before TEXT COLLATE "C",
    after TEXT COLLATE "C",
    result TEXT COLLATE "C" NOT NULL,
    hash VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (number)
);

CREATE INDEX audit_object ON audit (object, number);

CREATE INDEX audit_who ON audit (who, number);

CREATE TABLE audit_head (
    id SERIAL NOT NULL,
    number BIGINT NOT NULL,
    hash VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
);

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
    call_number BIGINT DEFAULT 0 NOT NULL,
    epoch INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (execution_id, path)
);

CREATE INDEX checkpoints_contents ON checkpoints (result) WHERE substr(result, 1, 1) = '@';

CREATE TABLE commits (
    writer VARCHAR COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (writer, number)
);

CREATE TABLE contents (
    hash VARCHAR COLLATE "C" NOT NULL,
    packed BYTEA NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (hash)
);

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

CREATE INDEX deliveries_executor ON deliveries (executor, id);

CREATE INDEX deliveries_executor_outcome ON deliveries (executor, outcome, id);

CREATE INDEX deliveries_outcome ON deliveries (outcome, id);

CREATE INDEX ix_deliveries_event_id ON deliveries (event_id);

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

CREATE INDEX events_new_source ON events (source, id) WHERE state = 0;

CREATE UNIQUE INDEX events_source_body ON events (source, body_key) WHERE body_key IS NOT NULL;

CREATE UNIQUE INDEX events_source_key ON events (source, key);

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
    forked_from VARCHAR COLLATE "C",
    forked_at VARCHAR COLLATE "C",
    debounce_key VARCHAR COLLATE "C",
    debounce_until BIGINT,
    rate_key VARCHAR COLLATE "C",
    rate_at BIGINT,
    after_id VARCHAR COLLATE "C",
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
    executor VARCHAR COLLATE "C" NOT NULL,
    paused INTEGER NOT NULL,
    definition VARCHAR COLLATE "C",
    PRIMARY KEY (executor)
);

CREATE TABLE full_keys (
    workflow VARCHAR COLLATE "C" NOT NULL,
    concurrency_key VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (workflow, concurrency_key)
);

CREATE TABLE invitations (
    digest VARCHAR COLLATE "C" NOT NULL,
    name VARCHAR COLLATE "C",
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE INDEX ix_invitations_name ON invitations (name);

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

CREATE TABLE machine_secrets (
    id VARCHAR COLLATE "C" NOT NULL,
    auth_namespace VARCHAR COLLATE "C" NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    digest VARCHAR COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (id)
);

CREATE INDEX machine_secrets_digest ON machine_secrets (digest);

CREATE INDEX machine_secrets_user ON machine_secrets (auth_namespace, name);

CREATE TABLE machine_user_states (
    auth_namespace VARCHAR COLLATE "C" NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    tokens_after BIGINT DEFAULT 0 NOT NULL,
    PRIMARY KEY (auth_namespace, name)
);

CREATE TABLE meta (
    key VARCHAR COLLATE "C" NOT NULL,
    value VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (key)
);

CREATE TABLE nodes (
    id VARCHAR COLLATE "C" NOT NULL,
    host VARCHAR COLLATE "C" NOT NULL,
    pid INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    revision VARCHAR COLLATE "C" DEFAULT '' NOT NULL,
    address VARCHAR COLLATE "C" DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE people (
    name VARCHAR COLLATE "C" NOT NULL,
    password VARCHAR COLLATE "C",
    role VARCHAR COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_sign_in_at BIGINT,
    PRIMARY KEY (name)
);

CREATE TABLE permission_uses (
    auth_namespace VARCHAR COLLATE "C" NOT NULL,
    name VARCHAR COLLATE "C" NOT NULL,
    permission VARCHAR COLLATE "C" NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (auth_namespace, name, permission)
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

CREATE TABLE schedules (
    executor VARCHAR COLLATE "C" NOT NULL,
    definition VARCHAR COLLATE "C" NOT NULL,
    next_fire_at BIGINT,
    PRIMARY KEY (executor)
);

CREATE INDEX schedules_next ON schedules (next_fire_at);

CREATE TABLE sessions (
    digest VARCHAR COLLATE "C" NOT NULL,
    person VARCHAR COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE INDEX ix_sessions_person ON sessions (person);

CREATE INDEX sessions_end ON sessions (expires_at);

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

CREATE TABLE slots (
    executor VARCHAR COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    event_id VARCHAR COLLATE "C",
    outcome VARCHAR COLLATE "C",
    reason TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (executor, at)
);

CREATE TABLE tries (
    digest VARCHAR COLLATE "C" NOT NULL,
    free_at BIGINT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE INDEX tries_end ON tries (free_at);

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
    choice VARCHAR COLLATE "C",
    PRIMARY KEY (execution_id, path)
);

CREATE INDEX waits_asked ON waits (kind, created_at);

CREATE INDEX waits_inbox ON waits (kind, created_at) WHERE state = 'WAITING';

CREATE INDEX waits_open ON waits (kind, key, created_at) WHERE state = 'WAITING';

CREATE TABLE webhook_tokens (
    executor VARCHAR COLLATE "C" NOT NULL,
    token VARCHAR COLLATE "C" NOT NULL,
    PRIMARY KEY (executor)
);

INSERT INTO meta (key, value) VALUES ('schema', '4');
