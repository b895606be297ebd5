-- Where each user has logged in from of late: in a flood of wrong passwords from everywhere, the
-- right ones are still taken from there.
CREATE TABLE login_addresses (
    username {text} NOT NULL REFERENCES users (username),
    address {text} NOT NULL,
    seen_at {time} NOT NULL,
    PRIMARY KEY (username, address)
);
