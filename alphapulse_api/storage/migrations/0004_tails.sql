-- The newest points of a series are in no rollup until there are enough of them to be worth writing
-- one: `unfolded` of them, the first at `tail_at` (NULL: there are none, as in all rows of before).
ALTER TABLE series_spans ADD COLUMN tail_at {time};
ALTER TABLE series_spans ADD COLUMN unfolded {integer} NOT NULL DEFAULT 0;
