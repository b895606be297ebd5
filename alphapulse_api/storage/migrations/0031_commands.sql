-- The commands that an agent declares, those that were sent to agents, and who takes them.
ALTER TABLE agents ADD COLUMN commands {json} NOT NULL DEFAULT '[]';
CREATE TABLE commands (
    id {text} PRIMARY KEY,
    agent_id {text} NOT NULL,
    name {text} NOT NULL,
    level {text} NOT NULL,
    parameters {json} NOT NULL,
    reason {text},
    ttl {integer} NOT NULL,
    -- Seconds that the agent may take to answer, as it was declared when the command was sent.
    timeout {integer} NOT NULL,
    halt_id {text},
    state {text} NOT NULL,
    created_at {time} NOT NULL,
    created_by {text} NOT NULL,
    -- Whether a process served the agent when the command was sent.
    served {boolean} NOT NULL,
    expires_at {time} NOT NULL,
    delivered_at {time},
    delivered_to {text},
    accepted_at {time},
    ended_at {time},
    detail {text},
    result {json},
    -- When it expires or its answer is overdue; null once it has ended.
    deadline {time}
);
CREATE INDEX commands_by_time ON commands (created_at, id);
CREATE INDEX commands_by_agent ON commands (agent_id, created_at, id);
CREATE INDEX commands_by_state ON commands (state, created_at, id);
CREATE INDEX commands_by_name ON commands (name, created_at, id);
CREATE INDEX commands_by_halt ON commands (halt_id) WHERE halt_id IS NOT NULL;
CREATE INDEX commands_by_deadline ON commands (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX commands_pending ON commands (agent_id, created_at, id) WHERE state = 'pending';
CREATE TABLE command_servers (
    agent_id {text} PRIMARY KEY,
    served_until {time} NOT NULL
);
-- The agents that a key of scope execute serves.
ALTER TABLE api_keys ADD COLUMN agents {json};
