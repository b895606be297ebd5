-- The token that a used one was replaced by: while nobody has used that, the answer may have been lost.
ALTER TABLE refresh_tokens ADD COLUMN successor {text};

-- Made anew with each change. A database that is set back to an earlier state counts up to the same
-- version again, with other users and keys; it does not come to the same change.
ALTER TABLE auth_version ADD COLUMN change {text} NOT NULL DEFAULT '';
