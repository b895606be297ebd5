-- Calls of models that were reported by themselves, or as spans of traces. Those of signals and
-- decisions are in their rows.
CREATE TABLE usage_records (
    book {text} NOT NULL,
    id {text} NOT NULL,
    timestamp {time} NOT NULL,
    received_at {time} NOT NULL,
    agent_id {text} NOT NULL,
    decision_id {text},
    cycle_id {text},
    provider {text},
    model {text},
    input_tokens {integer},
    output_tokens {integer},
    cached_tokens {integer},
    cost {decimal},
    currency {text},
    duration {float},
    calls {integer},
    tool_calls {integer},
    metadata {json} NOT NULL,
    span {boolean} NOT NULL,
    -- False for a span of an agent whose signal or decision of the same cycle states its own usage.
    counted {boolean} NOT NULL,
    CONSTRAINT usage_records_key PRIMARY KEY (book, id)
);
CREATE INDEX usage_records_by_book ON usage_records (book, timestamp, id);
CREATE INDEX usage_records_by_cycle ON usage_records (book, cycle_id, agent_id)
WHERE cycle_id IS NOT NULL;
CREATE INDEX usage_records_by_decision ON usage_records (book, decision_id)
WHERE decision_id IS NOT NULL;
-- Sums of all calls of models in 15 minutes, and in a day (UTC); the width is in microseconds.
-- Unknown texts are ''.
CREATE TABLE usage_sums (
    book {text} NOT NULL,
    width {integer} NOT NULL,
    start {time} NOT NULL,
    agent_id {text} NOT NULL,
    provider {text} NOT NULL,
    model {text} NOT NULL,
    currency {text} NOT NULL,
    calls {decimal} NOT NULL,
    input_tokens {decimal} NOT NULL,
    output_tokens {decimal} NOT NULL,
    cached_tokens {decimal} NOT NULL,
    tool_calls {decimal} NOT NULL,
    duration {decimal} NOT NULL,
    cost {decimal} NOT NULL,
    PRIMARY KEY (book, width, start, agent_id, provider, model, currency)
) {clustered};
CREATE INDEX usage_sums_by_agent ON usage_sums (agent_id, width, start);
