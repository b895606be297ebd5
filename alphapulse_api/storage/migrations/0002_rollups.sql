-- Metric points folded into buckets of a minute, 15 minutes, 4 hours and a day (the width in
-- microseconds; bucket: its start). `counted` values and `empty` nulls; the sum is sum + sum_low +
-- sum_rest (hexadecimal, in units of 2^-1074): see storage/metrics/rollups/.
CREATE TABLE metric_rollups (
    series_id {integer} NOT NULL,
    width {integer} NOT NULL,
    bucket {time} NOT NULL,
    counted {integer} NOT NULL,
    empty {integer} NOT NULL,
    sum {float} NOT NULL,
    sum_low {float} NOT NULL,
    sum_rest {text},
    min {float},
    max {float},
    first {float},
    first_at {time},
    last {float},
    last_at {time},
    PRIMARY KEY (series_id, width, bucket)
) {clustered};

-- One row a series: its points, nulls too, as far as the rollups reach; and the instant before
-- which retention has deleted points, so that the rollups know more. Who writes points of a series
-- locks its row.
CREATE TABLE series_spans (
    series_id {integer} PRIMARY KEY,
    points {integer} NOT NULL,
    first_at {time},
    last_at {time},
    whole_from {time}
);

-- One row: grows with every new series, and is locked while one is made, so that ids are committed
-- in their order and each process sees by one small read whether there are any it does not know.
CREATE TABLE series_version (
    "only" {integer} PRIMARY KEY CHECK ("only" = 1),
    version {integer} NOT NULL
);
INSERT INTO series_version ("only", version) VALUES (1, 1);
