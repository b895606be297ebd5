-- Profit by strategy.
CREATE INDEX round_trips_by_strategy ON round_trips (book, strategy, closed_at)
WHERE strategy IS NOT NULL;
-- The instant before which records with usage may have been deleted: their sums cannot be counted
-- again. No row: none have been.
CREATE TABLE usage_base (
    "only" {integer} PRIMARY KEY CHECK ("only" = 1),
    base_at {time} NOT NULL
);
