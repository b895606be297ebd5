-- What the price did from the receipt of each signal with a horizon to its end; see
-- projections/outcomes/. `check_at` is when it is looked at next (null: it is final). Prices between
-- spans_from and spans_until may change it. The horizon is in microseconds. A signal that came late
-- has its own time as `received_at`.
CREATE TABLE signal_outcomes (
    book {text} NOT NULL,
    signal_id {text} NOT NULL,
    agent_id {text} NOT NULL,
    symbol {text} NOT NULL,
    received_at {time} NOT NULL,
    imported {integer} NOT NULL,
    horizon {integer} NOT NULL,
    call {integer} NOT NULL,
    stated {float},
    conviction {float},
    check_at {time},
    spans_from {time} NOT NULL,
    spans_until {time} NOT NULL,
    entry_at {time},
    exit_at {time},
    change {float},
    rises {integer} NOT NULL DEFAULT 0,
    falls {integer} NOT NULL DEFAULT 0,
    windows {integer} NOT NULL DEFAULT 0,
    PRIMARY KEY (book, signal_id)
);
CREATE INDEX signal_outcomes_by_agent ON signal_outcomes (book, agent_id, received_at);
CREATE INDEX signal_outcomes_by_symbol ON signal_outcomes (symbol, spans_until);
CREATE INDEX signal_outcomes_due ON signal_outcomes (check_at) WHERE check_at IS NOT NULL;
-- Prices that came late: outcomes that they touch are looked at again.
CREATE TABLE price_marks (
    id {serial},
    symbol {text} NOT NULL,
    from_at {time} NOT NULL,
    until_at {time} NOT NULL
);
