-- The books that a user or an API key is limited to, as an array of ids; null: not limited.
ALTER TABLE users ADD COLUMN books {json};
ALTER TABLE api_keys ADD COLUMN books {json};
