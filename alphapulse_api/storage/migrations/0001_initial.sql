-- The vocabulary of the contract, one table a resource.
CREATE TABLE series (
    id {serial},
    metric_type {text} NOT NULL,
    name {text} NOT NULL,
    labels {text} NOT NULL,
    UNIQUE (metric_type, name, labels)
);
-- No foreign key: a series is removed only without points, a point's number comes from the
-- transaction that stores it and locks the series, and PostgreSQL's check took longer than the insert
-- (20 µs of 35 a row).
CREATE TABLE metric_points (
    series_id {integer} NOT NULL,
    timestamp {time} NOT NULL,
    value {float},
    PRIMARY KEY (series_id, timestamp)
) {clustered};

CREATE TABLE alerts (
    id {text} PRIMARY KEY,
    title {text} NOT NULL,
    message {text} NOT NULL,
    severity {text} NOT NULL,
    source {text},
    rule_id {text},
    metric_name {text},
    metric_value {float},
    threshold {float},
    status {text} NOT NULL,
    created_at {time} NOT NULL,
    acknowledged {boolean} NOT NULL,
    acknowledged_by {text},
    acknowledged_at {time},
    comments {text},
    resolved_at {time},
    tags {json} NOT NULL,
    metadata {json} NOT NULL
);
CREATE INDEX alerts_by_time ON alerts (created_at, id);
CREATE INDEX alerts_unresolved ON alerts (created_at, id) WHERE status <> 'resolved';

CREATE TABLE trades (
    id {text} PRIMARY KEY,
    order_id {text},
    client_order_id {text},
    symbol {text} NOT NULL,
    side {text} NOT NULL,
    quantity {decimal} NOT NULL,
    price {decimal} NOT NULL,
    value {decimal} NOT NULL,
    fee {decimal},
    fee_currency {text},
    order_type {text} NOT NULL,
    status {text} NOT NULL,
    agent_id {text},
    strategy {text},
    executed_at {time} NOT NULL,
    metadata {json} NOT NULL
);
CREATE INDEX trades_by_time ON trades (executed_at, id);
CREATE INDEX trades_by_symbol ON trades (symbol, executed_at, id);

CREATE TABLE portfolio_snapshots (
    as_of {time} PRIMARY KEY,
    total_value {decimal} NOT NULL,
    cash {decimal} NOT NULL,
    positions_value {decimal} NOT NULL,
    currency {text} NOT NULL,
    positions {json} NOT NULL,
    performance {json} NOT NULL
);

CREATE TABLE agents (
    agent_id {text} PRIMARY KEY,
    agent_type {text} NOT NULL,
    state {text} NOT NULL,
    metrics {json} NOT NULL,
    updated_at {time} NOT NULL
);
CREATE TABLE signals (
    id {text} PRIMARY KEY,
    agent_id {text} NOT NULL REFERENCES agents (agent_id),
    symbol {text} NOT NULL,
    direction {text} NOT NULL,
    confidence {float},
    target_price {decimal},
    stop_loss {decimal},
    timestamp {time} NOT NULL,
    metadata {json} NOT NULL
);
CREATE INDEX signals_by_agent ON signals (agent_id, timestamp, id);

CREATE TABLE system_samples (
    component {text} NOT NULL,
    timestamp {time} NOT NULL,
    status {text} NOT NULL,
    metrics {json} NOT NULL,
    message {text},
    PRIMARY KEY (component, timestamp)
);
CREATE INDEX system_samples_by_time ON system_samples (timestamp, component);

-- Who may call. Secrets are here only as hashes.
CREATE TABLE users (
    username {text} PRIMARY KEY,
    role {text} NOT NULL,
    password_hash {text} NOT NULL,
    disabled {boolean} NOT NULL,
    generation {integer} NOT NULL,
    created_at {time} NOT NULL
);
CREATE TABLE api_keys (
    id {text} PRIMARY KEY,
    name {text} NOT NULL,
    secret_hash {text} NOT NULL,
    scopes {json} NOT NULL,
    created_at {time} NOT NULL,
    expires_at {time},
    revoked_at {time}
);
CREATE TABLE refresh_tokens (
    token_hash {text} PRIMARY KEY,
    family {text} NOT NULL,
    username {text} NOT NULL REFERENCES users (username),
    generation {integer} NOT NULL,
    expires_at {time} NOT NULL,
    used_at {time},
    revoked_at {time}
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE TABLE revoked_tokens (
    jti {text} PRIMARY KEY,
    expires_at {time} NOT NULL
);
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

-- One row: grows with every change of a user, key or revocation, so that each process sees by one
-- small read that what it remembers of its callers is out of date.
CREATE TABLE auth_version (
    "only" {integer} PRIMARY KEY CHECK ("only" = 1),
    version {integer} NOT NULL
);
INSERT INTO auth_version ("only", version) VALUES (1, 1);
