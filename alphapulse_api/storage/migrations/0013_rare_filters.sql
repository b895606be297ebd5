-- Filters that few rows match. What most rows match is read in the order of time.
CREATE INDEX trades_by_status ON trades (status, executed_at, id) WHERE status <> 'filled';
CREATE INDEX trades_by_agent ON trades (agent_id, executed_at, id) WHERE agent_id IS NOT NULL;
CREATE INDEX trades_by_strategy ON trades (strategy, executed_at, id) WHERE strategy IS NOT NULL;
CREATE INDEX alerts_by_severity ON alerts (severity, created_at, id);
CREATE INDEX alerts_by_source ON alerts (source, created_at, id) WHERE source IS NOT NULL;
CREATE INDEX alerts_unacknowledged ON alerts (severity, created_at, id) WHERE NOT acknowledged;
-- Retention reads signals in this order.
CREATE INDEX signals_by_time ON signals (timestamp, id);
