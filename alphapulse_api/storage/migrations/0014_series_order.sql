-- The listings of series are read a page at a time in this order, which ends where labels begin:
-- labels may be too long for a cursor.
CREATE INDEX series_by_name ON series (metric_type, name, id);
