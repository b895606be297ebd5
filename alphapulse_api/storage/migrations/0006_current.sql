-- Which snapshot is the current one, in the order of the store and not of the clocks, and how often
-- that or its content changed.
CREATE TABLE portfolio_current (
    "only" {integer} PRIMARY KEY CHECK ("only" = 1),
    as_of {time} NOT NULL,
    revision {integer} NOT NULL
);
INSERT INTO portfolio_current ("only", as_of, revision)
SELECT 1, max(as_of), 1 FROM portfolio_snapshots HAVING count(*) > 0;
-- The latest point of a series, where that is not the one with the last time, because the time of that
-- one lay ahead of now when another was received.
ALTER TABLE series_spans ADD COLUMN latest_at {time};
