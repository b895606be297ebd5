-- The books: accounts, strategies or runs with money of their own. The currency is null until the
-- first portfolio fixes it. Python opens `main`.
CREATE TABLE books (
    id {text} PRIMARY KEY,
    title {text},
    mode {text} NOT NULL,
    currency {text},
    opened_at {time} NOT NULL,
    closed_at {time}
);
-- One row, whose token is new with each change of any book, so that processes notice it.
CREATE TABLE book_list (
    token {text} NOT NULL
);
INSERT INTO book_list (token) VALUES ('');
