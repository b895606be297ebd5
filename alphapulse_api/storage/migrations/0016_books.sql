-- Records are kept in books, which have ids of their own: the keys that storage/rekeyed.py lists hold
-- the book. An alert that belongs to no book has '' there.
ALTER TABLE trades ADD COLUMN book {text} NOT NULL DEFAULT 'main';
ALTER TABLE trade_states ADD COLUMN book {text} NOT NULL DEFAULT 'main';
ALTER TABLE alerts ADD COLUMN book {text} NOT NULL DEFAULT 'main';
ALTER TABLE signals ADD COLUMN book {text} NOT NULL DEFAULT 'main';
-- What migrations have left to be done while the server answers: see storage/backfills.py.
CREATE TABLE backfills (
    name {text} PRIMARY KEY,
    position {text} NOT NULL DEFAULT '',
    done {integer} NOT NULL DEFAULT 0,
    total {integer} NOT NULL DEFAULT 0
);
