-- Which series have a label, in the order of the listings of series.
CREATE TABLE series_labels (
    label_key {text} NOT NULL,
    label_value {text} NOT NULL,
    metric_type {text} NOT NULL,
    name {text} NOT NULL,
    series_id {integer} NOT NULL,
    PRIMARY KEY (label_key, label_value, metric_type, name, series_id)
) {clustered};
-- The labels of series up to this number are still to be entered, newest first; 0: all are.
ALTER TABLE series_version ADD COLUMN unlabelled {integer} NOT NULL DEFAULT 0;
UPDATE series_version SET unlabelled = (SELECT coalesce(max(id), 0) FROM series);
