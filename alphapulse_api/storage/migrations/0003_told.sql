-- For the order of events, until the outbox provided it: when a record was stored (null: before this
-- column existed), and how often the content of a snapshot was replaced. 0011 and 0012 drop them.
ALTER TABLE trades ADD COLUMN stored_at {time};
ALTER TABLE alerts ADD COLUMN stored_at {time};
ALTER TABLE portfolio_snapshots ADD COLUMN revision {integer} NOT NULL DEFAULT 0;
