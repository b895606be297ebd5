-- From which trade on the profit of a symbol has to be folded again: a row for each symbol of a
-- commit. The rows of one symbol are removed by whoever folds its profit (projections/pnl/). There are
-- few at a time, and an index would cost each trade more than it saves.
CREATE TABLE trade_marks (
    id {serial},
    book {text} NOT NULL,
    symbol {text} NOT NULL,
    executed_at {time} NOT NULL,
    trade_id {text} NOT NULL
);
-- Which trades are replaced by others.
CREATE TABLE trade_corrections (
    book {text} NOT NULL,
    corrects {text} NOT NULL,
    trade_id {text} NOT NULL,
    PRIMARY KEY (book, corrects, trade_id)
) {clustered};
-- One row a symbol of a book. The trades up to `folded` are folded; those from `stale` on have to be
-- folded again (null: none); `behind` is 1 while there may be trades after `folded`. What retention
-- deleted was before `base_at`. The version grows with each change.
CREATE TABLE pnl_accounts (
    book {text} NOT NULL,
    symbol {text} NOT NULL,
    version {integer} NOT NULL,
    folded_at {time} NOT NULL,
    folded_id {text} NOT NULL,
    stale_at {time},
    stale_id {text},
    behind {integer} NOT NULL,
    base_at {time} NOT NULL,
    held {decimal} NOT NULL,
    PRIMARY KEY (book, symbol)
) {clustered};
CREATE INDEX pnl_accounts_behind ON pnl_accounts (book, symbol) WHERE behind = 1;
-- What each trade filled (negative: sold), the quantity held after it, the profit of what it closed,
-- and the lot that it opened, of which `remaining` is open at the price with the fees `lot_fees`.
CREATE TABLE pnl_fills (
    book {text} NOT NULL,
    symbol {text} NOT NULL,
    executed_at {time} NOT NULL,
    trade_id {text} NOT NULL,
    quantity {decimal} NOT NULL,
    price {decimal} NOT NULL,
    fees {json} NOT NULL,
    held {decimal} NOT NULL,
    closed_profit {decimal} NOT NULL,
    opened {decimal} NOT NULL,
    remaining {decimal} NOT NULL,
    lot_fees {json} NOT NULL,
    lot_profit {decimal} NOT NULL,
    is_open {integer} NOT NULL,
    agent_id {text},
    strategy {text},
    PRIMARY KEY (book, symbol, executed_at, trade_id)
) {clustered};
CREATE INDEX pnl_fills_open ON pnl_fills (book, symbol, executed_at, trade_id) WHERE is_open = 1;
-- What was closed of a lot, and by which trade; the profit is without fees.
CREATE TABLE round_trips (
    book {text} NOT NULL,
    symbol {text} NOT NULL,
    closed_at {time} NOT NULL,
    closing_id {text} NOT NULL,
    opened_at {time} NOT NULL,
    opening_id {text} NOT NULL,
    side {text} NOT NULL,
    quantity {decimal} NOT NULL,
    entry_price {decimal} NOT NULL,
    exit_price {decimal} NOT NULL,
    profit {decimal} NOT NULL,
    opening_fees {json} NOT NULL,
    closing_fees {json} NOT NULL,
    agent_id {text},
    strategy {text},
    PRIMARY KEY (book, symbol, closed_at, closing_id, opened_at, opening_id)
) {clustered};
CREATE INDEX round_trips_by_time ON round_trips (book, closed_at, symbol);
CREATE INDEX round_trips_by_agent ON round_trips (book, agent_id, closed_at)
WHERE agent_id IS NOT NULL;
