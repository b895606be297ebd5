-- How many series there are, for the bound; and how often some were removed, so that a process that
-- remembers series reads them again.
ALTER TABLE series_version ADD COLUMN series {integer} NOT NULL DEFAULT 0;
ALTER TABLE series_version ADD COLUMN removals {integer} NOT NULL DEFAULT 0;
UPDATE series_version SET series = (SELECT count(*) FROM series);
