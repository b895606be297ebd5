-- Profit by strategy.
CREATE INDEX round_trips_by_strategy ON round_trips (book, strategy, closed_at)
WHERE strategy IS NOT NULL;
