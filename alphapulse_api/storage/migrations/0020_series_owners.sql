-- How many series each API key has made, for the bound of a key; and which key made a series, so that
-- its removal is counted. Series from before belong to none.
CREATE TABLE series_owners (
    owner {text} PRIMARY KEY,
    series {integer} NOT NULL
) {clustered};
ALTER TABLE series_spans ADD COLUMN owner {text};
