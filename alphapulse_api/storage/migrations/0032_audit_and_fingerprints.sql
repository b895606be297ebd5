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
-- Alerts that are raised again while they are not resolved, with the ids of the occurrences that
-- they have counted last; and the newest alert of each fingerprint.
ALTER TABLE alerts ADD COLUMN fingerprint {text};
ALTER TABLE alerts ADD COLUMN occurrences {integer} NOT NULL DEFAULT 1;
ALTER TABLE alerts ADD COLUMN last_seen_at {time};
ALTER TABLE alerts ADD COLUMN reopened_from {text};
ALTER TABLE alerts ADD COLUMN counted {json};
CREATE TABLE alert_fingerprints (
    book {text} NOT NULL,
    fingerprint {text} NOT NULL,
    alert_id {text} NOT NULL,
    PRIMARY KEY (book, fingerprint)
) {clustered};
CREATE INDEX alert_fingerprints_by_alert ON alert_fingerprints (book, alert_id);
