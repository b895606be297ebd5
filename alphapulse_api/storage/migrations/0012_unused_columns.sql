-- The outbox orders and deduplicates events; these columns did so before it, and nothing reads them.
ALTER TABLE alerts DROP COLUMN stored_at;
ALTER TABLE portfolio_snapshots DROP COLUMN revision;
