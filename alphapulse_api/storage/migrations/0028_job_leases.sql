-- Work that one process does at a time. The epoch grows with each owner. A lease without an end is
-- that of the only server of a file.
CREATE TABLE job_leases (
    name {text} PRIMARY KEY,
    owner {text} NOT NULL,
    epoch {integer} NOT NULL,
    expires_at {time}
);
