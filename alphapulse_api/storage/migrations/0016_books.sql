-- Records are kept in books, which have ids of their own: the keys that storage/rekeyed.py lists hold
-- the book. An alert that belongs to no book has '' there.
ALTER TABLE trades ADD COLUMN book {text} NOT NULL DEFAULT 'main';
ALTER TABLE trade_states ADD COLUMN book {text} NOT NULL DEFAULT 'main';
ALTER TABLE alerts ADD COLUMN book {text} NOT NULL DEFAULT 'main';
ALTER TABLE signals ADD COLUMN book {text} NOT NULL DEFAULT 'main';
