-- The portfolio by book: a narrow row a snapshot, its positions apart and as changes, and rollups of
-- its value. The snapshots of older releases stay where they are: moving their positions would take
-- long, and retention deletes them in time.
ALTER TABLE portfolio_snapshots RENAME TO portfolio_whole;
CREATE TABLE portfolio_snapshots (
    book {text} NOT NULL DEFAULT 'main',
    as_of {time} NOT NULL,
    total_value {decimal} NOT NULL,
    cash {decimal} NOT NULL,
    positions_value {decimal} NOT NULL,
    currency {text} NOT NULL,
    -- Of its positions and performance in portfolio_frames. Key 0: they are in portfolio_whole;
    -- null: there are none.
    frame_key {integer},
    frame_number {integer},
    PRIMARY KEY (book, as_of)
) {clustered};
INSERT INTO portfolio_snapshots
SELECT 'main', as_of, total_value, cash, positions_value, currency, 0, 0 FROM portfolio_whole;
-- Positions in the order in which snapshots were received. The body of number 0, a key frame, is the
-- list; that of every other number is what changed since the number before.
CREATE TABLE portfolio_frames (
    book {text} NOT NULL DEFAULT 'main',
    frame_key {integer} NOT NULL,
    frame_number {integer} NOT NULL,
    as_of {time} NOT NULL,
    performance {json} NOT NULL,
    body {json} NOT NULL,
    PRIMARY KEY (book, frame_key, frame_number)
);
-- One row a book: which snapshot is the current one (null: none yet), where the newest frame is, and
-- up to which instant the history is rolled up. The token is new with each frame, because after a
-- restore the same numbers could stand for other positions.
ALTER TABLE portfolio_current RENAME TO portfolio_only;
CREATE TABLE portfolio_current (
    book {text} PRIMARY KEY,
    as_of {time},
    revision {integer} NOT NULL,
    frame_key {integer} NOT NULL,
    frame_number {integer} NOT NULL,
    frame_token {text} NOT NULL,
    key_bytes {integer} NOT NULL,
    change_bytes {integer} NOT NULL,
    rolled_up {time} NOT NULL
);
INSERT INTO portfolio_current
SELECT 'main', as_of, revision, 0, -1, '', 0, 0, (SELECT min(as_of) FROM portfolio_snapshots)
FROM portfolio_only;
DROP TABLE portfolio_only;
-- What a chart needs of the snapshots of a bucket: the first, last, lowest and highest, and the
-- largest falls, in money and in proportion. The width is in microseconds.
CREATE TABLE portfolio_rollups (
    book {text} NOT NULL DEFAULT 'main',
    width {integer} NOT NULL,
    start {time} NOT NULL,
    first_at {time} NOT NULL,
    last_at {time} NOT NULL,
    low {decimal} NOT NULL,
    low_at {time} NOT NULL,
    high {decimal} NOT NULL,
    high_at {time} NOT NULL,
    fall_peak {decimal},
    fall_peak_at {time},
    fall_trough {decimal},
    fall_trough_at {time},
    ratio_peak {decimal},
    ratio_peak_at {time},
    ratio_trough {decimal},
    ratio_trough_at {time},
    PRIMARY KEY (book, width, start)
) {clustered};
