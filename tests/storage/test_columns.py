"""Rows as text: the form that answers take is that of the dicts, byte for byte."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.times import from_micros, rfc3339, rfc3339_micros, to_micros
from alphapulse_api.storage.columns import (
    ANY_BOOK,
    BOOLEAN,
    DECIMAL,
    FEES,
    FLOAT,
    JSON,
    NUMBER,
    PLAIN,
    TIME,
    USAGE,
    Columns,
)
from alphapulse_api.storage.tables import agents, alert_columns, system, trades

texts = st.text(st.characters(exclude_categories=["Cs"]))  # half a surrogate pair is no text
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner)),
)
instants = st.datetimes(timezones=st.just(UTC))
VALUES = {
    ANY_BOOK: texts,
    PLAIN: texts,
    NUMBER: st.integers(-(2**63), 2**63 - 1),
    FLOAT: st.floats(),
    TIME: instants,
    DECIMAL: st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40)),
    JSON: documents,
    BOOLEAN: st.booleans(),
    FEES: st.lists(
        st.fixed_dictionaries(
            {"currency": texts, "amount": st.decimals(allow_nan=False, allow_infinity=False)}
        )
    ),
    USAGE: st.lists(
        st.fixed_dictionaries(
            {"model": texts, "cost": st.decimals(allow_nan=False, allow_infinity=False)}
        )
    ),
}
TABLES = [trades.COLUMNS, alert_columns.COLUMNS, agents.AGENTS, agents.SIGNALS, system.COLUMNS]


@pytest.mark.parametrize("columns", TABLES, ids=lambda columns: columns.table)
@given(data=st.data())
def test_plain_records_are_the_records_in_every_byte(columns: Columns, data: Any) -> None:
    record = st.fixed_dictionaries(
        {name: st.one_of(st.none(), VALUES[kind]) for name, kind in columns.kinds.items()}
    )
    selected = len(columns.names)
    rows = [columns.store(r)[:selected] for r in data.draw(st.lists(record, max_size=3))]
    assert dumps(columns.records(rows, plain=True)) == dumps(columns.records(rows))


@given(instants)
def test_a_time_is_written_as_its_datetime_is(instant: Any) -> None:
    micros = to_micros(instant)
    written = rfc3339_micros(micros)
    assert written == rfc3339(from_micros(micros))
    assert dumps(written) == dumps(from_micros(micros))
