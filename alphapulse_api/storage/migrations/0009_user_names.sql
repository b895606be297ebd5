-- What a user is found by, whatever spelling and case a name is typed in (RFC 8265). NULL: a user that
-- was disabled, and whose name in this form is another's.
ALTER TABLE users ADD COLUMN name_key {text};
