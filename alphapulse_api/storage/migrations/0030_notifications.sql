-- Messages to people. A row without a receiver is a change of an alert that is not routed yet; it is
-- written in the transaction of the change. The others are what a receiver is told, or will be when
-- it is due. A message is the rows that have its id.
CREATE TABLE deliveries (
    id {text} PRIMARY KEY,
    receiver {text} NOT NULL DEFAULT '',
    book {text} NOT NULL,
    alert_id {text} NOT NULL,
    title {text} NOT NULL DEFAULT '',
    severity {text} NOT NULL DEFAULT '',
    cause {text} NOT NULL,
    created_at {time} NOT NULL,
    state {text} NOT NULL DEFAULT 'pending',
    -- When the sender has something to do; null: never again.
    due_at {time},
    group_key {text} NOT NULL DEFAULT '',
    message_id {text},
    -- Which URLs of the receiver took the message: their positions.
    reached {text} NOT NULL DEFAULT '',
    attempts {integer} NOT NULL DEFAULT 0,
    tried_at {time},
    delivered_at {time},
    last_error {text},
    silence_id {text}
);
CREATE INDEX deliveries_due ON deliveries (receiver, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_message ON deliveries (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX deliveries_by_alert ON deliveries (alert_id, created_at, id);
CREATE INDEX deliveries_by_time ON deliveries (created_at, id);
CREATE INDEX deliveries_by_receiver ON deliveries (receiver, created_at, id);
CREATE INDEX deliveries_by_state ON deliveries (state, created_at, id);
-- Whether somebody sends messages, so that every process knows without configuration: one row, which
-- the sender renews. After `until`, changes of alerts leave no rows.
CREATE TABLE notifying (
    id {integer} PRIMARY KEY,
    until {time} NOT NULL
);
-- Alerts that nobody is told of for a while.
CREATE TABLE silences (
    id {text} PRIMARY KEY,
    matchers {json} NOT NULL,
    comment {text} NOT NULL,
    created_by {text} NOT NULL,
    created_at {time} NOT NULL,
    starts_at {time} NOT NULL,
    until {time} NOT NULL
);
CREATE INDEX silences_by_time ON silences (created_at, id);
CREATE INDEX silences_by_end ON silences (until);
