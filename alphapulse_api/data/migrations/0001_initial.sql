-- The vocabulary of the contract, one table a resource.
CREATE TABLE series (
    id {serial},
    metric_type TEXT NOT NULL,
    name TEXT NOT NULL,
    labels {json} NOT NULL,
    UNIQUE (metric_type, name, labels)
);
CREATE TABLE metric_points (
    series_id {integer} NOT NULL REFERENCES series (id),
    timestamp {time} NOT NULL,
    value {float},
    PRIMARY KEY (series_id, timestamp)
) {clustered};

CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    severity TEXT NOT NULL,
    source TEXT,
    rule_id TEXT,
    metric_name TEXT,
    metric_value {float},
    threshold {float},
    status TEXT NOT NULL,
    created_at {time} NOT NULL,
    acknowledged {boolean} NOT NULL,
    acknowledged_by TEXT,
    acknowledged_at {time},
    comments TEXT,
    resolved_at {time},
    tags {json} NOT NULL,
    metadata {json} NOT NULL
);
CREATE INDEX alerts_by_time ON alerts (created_at, id);
CREATE INDEX alerts_unresolved ON alerts (created_at, id) WHERE status <> 'resolved';

CREATE TABLE trades (
    id TEXT PRIMARY KEY,
    order_id TEXT,
    client_order_id TEXT,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity {decimal} NOT NULL,
    price {decimal} NOT NULL,
    value {decimal} NOT NULL,
    fee {decimal},
    fee_currency TEXT,
    order_type TEXT NOT NULL,
    status TEXT NOT NULL,
    agent_id TEXT,
    strategy TEXT,
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
    currency TEXT NOT NULL,
    positions {json} NOT NULL,
    performance {json} NOT NULL
);

CREATE TABLE agents (
    agent_id TEXT PRIMARY KEY,
    agent_type TEXT NOT NULL,
    state TEXT NOT NULL,
    metrics {json} NOT NULL,
    updated_at {time} NOT NULL
);
CREATE TABLE signals (
    id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agents (agent_id),
    symbol TEXT NOT NULL,
    direction TEXT NOT NULL,
    confidence {float},
    target_price {decimal},
    stop_loss {decimal},
    timestamp {time} NOT NULL,
    metadata {json} NOT NULL
);
CREATE INDEX signals_by_agent ON signals (agent_id, timestamp, id);

CREATE TABLE system_samples (
    component TEXT NOT NULL,
    timestamp {time} NOT NULL,
    status TEXT NOT NULL,
    metrics {json} NOT NULL,
    message TEXT,
    PRIMARY KEY (component, timestamp)
);
CREATE INDEX system_samples_by_time ON system_samples (timestamp, component);

-- Who may call. Secrets are here only as hashes.
CREATE TABLE users (
    username TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled {boolean} NOT NULL,
    generation {integer} NOT NULL,
    created_at {time} NOT NULL
);
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    scopes {json} NOT NULL,
    created_at {time} NOT NULL,
    expires_at {time},
    revoked_at {time}
);
CREATE TABLE refresh_tokens (
    token_hash TEXT PRIMARY KEY,
    family TEXT NOT NULL,
    username TEXT NOT NULL REFERENCES users (username),
    generation {integer} NOT NULL,
    expires_at {time} NOT NULL,
    used_at {time},
    revoked_at {time}
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE TABLE revoked_tokens (
    jti TEXT PRIMARY KEY,
    expires_at {time} NOT NULL
);
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

-- One row: grows with every change of a user, key or revocation, so that each process sees by one
-- small read that what it remembers of its callers is out of date.
CREATE TABLE auth_version (
    only {integer} PRIMARY KEY CHECK (only = 1),
    version {integer} NOT NULL
);
INSERT INTO auth_version (only, version) VALUES (1, 1);
