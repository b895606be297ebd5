-- Rules, and the states of their groups. `definition` has what users set; `revision` grows when what
-- is evaluated changes, from `changed_at` on. States of other revisions are left over. The id of a
-- group is a hash of its labels. Points up to `seen` were evaluated.
CREATE TABLE rules (
    id {text} PRIMARY KEY,
    origin {text} NOT NULL,
    enabled {boolean} NOT NULL,
    definition {json} NOT NULL,
    revision {integer} NOT NULL,
    changed_at {time} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    firing {integer} NOT NULL DEFAULT 0,
    pending {integer} NOT NULL DEFAULT 0,
    error {text}
);
CREATE TABLE rule_states (
    rule_id {text} NOT NULL,
    group_id {text} NOT NULL,
    revision {integer} NOT NULL,
    labels {json} NOT NULL,
    phase {text} NOT NULL,
    since {time} NOT NULL,
    fired_at {time},
    value {float},
    seen {time} NOT NULL,
    alert_id {text},
    alert_book {text},
    PRIMARY KEY (rule_id, group_id)
);
