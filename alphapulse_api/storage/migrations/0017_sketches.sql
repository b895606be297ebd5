-- How the values of a series are distributed in each hour and each day (the width in microseconds;
-- bucket: its start): a sketch, for percentiles, and sums of squares, for deviations. See
-- storage/metrics/rollups/.
CREATE TABLE metric_sketches (
    series_id {integer} NOT NULL,
    width {integer} NOT NULL,
    bucket {time} NOT NULL,
    moments {text} NOT NULL,
    sketch {bytes} NOT NULL,
    PRIMARY KEY (series_id, width, bucket)
) {clustered};
-- The sketches contain the points before this instant (NULL: none yet), whether they are stored
-- still or not.
ALTER TABLE series_spans ADD COLUMN sketched_at {time};
