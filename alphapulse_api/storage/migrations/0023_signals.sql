-- What AI agents say beside a direction. Indexes of this table belong in storage/rekeyed.py.
ALTER TABLE signals ADD COLUMN conviction {float};
ALTER TABLE signals ADD COLUMN rating {text};
ALTER TABLE signals ADD COLUMN abstained {boolean} NOT NULL DEFAULT FALSE;
ALTER TABLE signals ADD COLUMN reason {text};
ALTER TABLE signals ADD COLUMN horizon {text};
ALTER TABLE signals ADD COLUMN entry_price {decimal};
ALTER TABLE signals ADD COLUMN size {decimal};
ALTER TABLE signals ADD COLUMN received_at {time};
ALTER TABLE signals ADD COLUMN valid_until {time};
ALTER TABLE signals ADD COLUMN model {text};
ALTER TABLE signals ADD COLUMN prompt_hash {text};
ALTER TABLE signals ADD COLUMN cycle_id {text};
ALTER TABLE signals ADD COLUMN supersedes {text};
ALTER TABLE signals ADD COLUMN usage {json} NOT NULL DEFAULT '[]';
-- What listings leave out, of the signals that have it.
CREATE TABLE signal_texts (
    book {text} NOT NULL,
    signal_id {text} NOT NULL,
    thesis {text},
    inputs {json} NOT NULL,
    PRIMARY KEY (book, signal_id)
);
