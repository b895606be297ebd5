-- What tells whether an event is news: when a record was stored, by the clock of who stored it (null:
-- before there was this column), and how often the content of a snapshot was replaced.
ALTER TABLE trades ADD COLUMN stored_at {time};
ALTER TABLE alerts ADD COLUMN stored_at {time};
ALTER TABLE portfolio_snapshots ADD COLUMN revision {integer} NOT NULL DEFAULT 0;
