-- Events that are committed with their records and wait to be relayed to the event log, in the order
-- of their ids. Without a channel a row only invalidates cached answers; `tags` and `body` are lines.
CREATE TABLE outbox (
    id {text} PRIMARY KEY,
    channel {text},
    book {text} NOT NULL DEFAULT 'main',
    record_id {text},
    revision {integer} NOT NULL,
    tags {text} NOT NULL,
    body {text}
) {clustered};
CREATE INDEX outbox_by_record ON outbox (channel, book, record_id);
