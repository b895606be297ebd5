-- The books: accounts, strategies or runs with money of their own. The currency is null until the
-- first portfolio fixes it. The version grows with each change of any book; Python opens `main`.
CREATE TABLE books (
    id {text} PRIMARY KEY,
    title {text},
    mode {text} NOT NULL,
    currency {text},
    opened_at {time} NOT NULL,
    closed_at {time},
    version {integer} NOT NULL
);
CREATE UNIQUE INDEX books_by_version ON books (version);
