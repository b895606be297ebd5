-- What people and programs did. Only `count` of an entry may change. The triggers that refuse
-- everything else differ by engine: storage/append_only.py has them.
CREATE TABLE audit (
    id {text} NOT NULL PRIMARY KEY,
    at {time} NOT NULL,
    actor {text},
    role {text},
    auth {text} NOT NULL,
    key_id {text},
    address {text},
    request_id {text},
    action {text} NOT NULL,
    target_kind {text} NOT NULL,
    target_id {text},
    book {text},
    before {json},
    after {json},
    count {integer} NOT NULL
);
CREATE INDEX audit_by_time ON audit (at, id);
CREATE INDEX audit_by_actor ON audit (actor, at, id);
CREATE INDEX audit_by_action ON audit (action, at, id);
CREATE INDEX audit_by_target ON audit (target_id, at, id);
CREATE INDEX audit_by_address ON audit (address, at, id);
-- Retention may delete the entries from before this instant.
CREATE TABLE audit_expiry (before {time});
INSERT INTO audit_expiry (before) VALUES (NULL);
