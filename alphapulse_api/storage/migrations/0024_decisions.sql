-- Decisions, with their lists as JSON: they are read as a whole only. The symbols of a decision are
-- in its row, too; decision_symbols is their index.
CREATE TABLE decisions (
    book {text} NOT NULL,
    id {text} NOT NULL,
    made_at {time} NOT NULL,
    received_at {time} NOT NULL,
    agent_id {text} NOT NULL,
    cycle_id {text},
    outcome {text},
    symbols {json} NOT NULL,
    signal_ids {json} NOT NULL,
    votes {json} NOT NULL,
    targets {json} NOT NULL,
    constraints {json} NOT NULL,
    corrects {text},
    usage {json} NOT NULL,
    metadata {json} NOT NULL,
    CONSTRAINT decisions_key PRIMARY KEY (book, id)
);
CREATE INDEX decisions_by_book ON decisions (book, made_at, id);
CREATE INDEX decisions_by_book_agent ON decisions (book, agent_id, made_at, id);
CREATE INDEX decisions_by_book_cycle ON decisions (book, cycle_id, made_at, id)
    WHERE cycle_id IS NOT NULL;
CREATE INDEX decisions_by_corrected ON decisions (book, corrects, made_at, id)
    WHERE corrects IS NOT NULL;
-- By time alone, for questions about many books.
CREATE INDEX decisions_by_time ON decisions (made_at, id, book);
CREATE TABLE decision_texts (
    book {text} NOT NULL,
    decision_id {text} NOT NULL,
    reasoning {text} NOT NULL,
    PRIMARY KEY (book, decision_id)
);
CREATE TABLE decision_symbols (
    book {text} NOT NULL,
    symbol {text} NOT NULL,
    made_at {time} NOT NULL,
    id {text} NOT NULL,
    PRIMARY KEY (book, symbol, made_at, id)
) {clustered};
-- Which decisions are based on a signal; the other way is decisions.signal_ids.
CREATE TABLE decision_signals (
    book {text} NOT NULL,
    signal_id {text} NOT NULL,
    decision_id {text} NOT NULL,
    PRIMARY KEY (book, signal_id, decision_id)
) {clustered};
-- Which trades a decision led to; the other way is trades.decision_id. A row outlives one of the
-- two records when retention deletes it, and says so. storage/tables/marked_trades.py adds those of
-- older releases.
CREATE TABLE decision_trades (
    book {text} NOT NULL,
    decision_id {text} NOT NULL,
    trade_id {text} NOT NULL,
    decision_expired {boolean} NOT NULL DEFAULT FALSE,
    trade_expired {boolean} NOT NULL DEFAULT FALSE,
    PRIMARY KEY (book, decision_id, trade_id)
) {clustered};
-- Of the corrections of a book, one is checked at a time.
CREATE TABLE decision_corrections (
    book {text} PRIMARY KEY,
    corrections {integer} NOT NULL
);
