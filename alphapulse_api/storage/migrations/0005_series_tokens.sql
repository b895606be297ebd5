-- A random number made with each series: it proves that a remembered series_id still means the same
-- series, also after a restore or a fail-over.
ALTER TABLE series_spans ADD COLUMN token {integer} NOT NULL DEFAULT 0;
UPDATE series_spans SET token = {random};
