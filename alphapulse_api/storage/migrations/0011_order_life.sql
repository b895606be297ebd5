-- Orders advance: a price may be missing, and a trade's states are kept. SQLite cannot make a column
-- nullable, so the table is made anew.
CREATE TABLE trades_anew (
    id {text} PRIMARY KEY,
    order_id {text},
    client_order_id {text},
    symbol {text} NOT NULL,
    side {text} NOT NULL,
    quantity {decimal} NOT NULL,
    filled_quantity {decimal},
    price {decimal},
    value {decimal},
    fee {decimal},
    fee_currency {text},
    fees {json},
    order_type {text} NOT NULL,
    status {text} NOT NULL,
    agent_id {text},
    strategy {text},
    executed_at {time} NOT NULL,
    updated_at {time},
    corrects {text},
    decision_id {text},
    decided_price {decimal},
    metadata {json} NOT NULL,
    revision {integer} NOT NULL DEFAULT 0
);
INSERT INTO trades_anew (
    id, order_id, client_order_id, symbol, side, quantity, filled_quantity, price, value, fee,
    fee_currency, fees, order_type, status, agent_id, strategy, executed_at, metadata
)
SELECT
    id, order_id, client_order_id, symbol, side, quantity,
    CASE WHEN status = 'filled' THEN quantity
        WHEN status IN ('pending', 'open', 'rejected') THEN '0' END,
    price, value, fee, fee_currency, '[]', order_type, status, agent_id, strategy, executed_at,
    metadata
FROM trades;
DROP TABLE trades;
ALTER TABLE trades_anew RENAME TO trades;
CREATE INDEX trades_by_time ON trades (executed_at, id);
CREATE INDEX trades_by_symbol ON trades (symbol, executed_at, id);
CREATE TABLE trade_states (
    trade_id {text} NOT NULL,
    revision {integer} NOT NULL,
    at {time} NOT NULL,
    status {text} NOT NULL,
    filled_quantity {decimal},
    price {decimal},
    PRIMARY KEY (trade_id, revision)
) {clustered};
