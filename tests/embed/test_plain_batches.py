"""Plain records as they travel to the dashboard's process, which converts and identifies them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.embed.calls import stamped_record
from alphapulse_api.embed.plain_batches import decode, encode, is_stampable

AT = 1_790_000_000_123_456_789  # nanoseconds since the epoch
MICROS = AT // 1000

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
)
values = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("abc"), below, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["id", "symbol", "executed_at", "timestamp", "metadata", "other"])


@given(
    method=st.sampled_from(["record_metrics", "record_trade"]),
    records=st.lists(st.dictionaries(names, values, max_size=5), min_size=1, max_size=5),
)
def test_records_arrive_as_if_the_host_had_converted_them(
    method: str, records: list[dict[str, Any]]
) -> None:
    call = decode(encode(method, [(AT, record) for record in records]))
    assert (call.method, call.many, call.waits, call.at) == (method, True, False, MICROS)
    for record, arrived in zip(records, call.records, strict=True):
        given_id = str(arrived.get("id"))
        assert arrived == stamped_record(record, method, MICROS, partial(str, given_id))


def test_a_batch_that_is_sent_again_has_the_same_ids_in_the_order_of_its_records() -> None:
    body = encode("record_trade", [(AT, {"symbol": "A"}) for _ in range(64)])
    ids = [record["id"] for record in decode(body).records]
    assert ids == [record["id"] for record in decode(body).records]
    assert ids == sorted(set(ids))
    assert {UUID(each).version for each in ids} == {7}
    assert {int(UUID(each)) >> 80 for each in ids} == {AT // 1_000_000}
    other = decode(encode("record_trade", [(AT, {"symbol": "A"})])).records[0]["id"]
    assert other not in ids


class Side(StrEnum):
    BUY = "buy"


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.5"),
        datetime(2026, 1, 1, tzinfo=UTC),
        np.float64(1.5),
        np.array([1.5]),
        2**70,
        b"bytes",
        {"a", "set"},
        {1: "a number as a name"},
        "\ud800",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_say_exactly_is_left_to_the_host(value: Any) -> None:
    for record in ({"symbol": value}, {"metadata": {"below": [value]}}):
        with pytest.raises(TypeError):
            encode("record_trade", [(AT, record)])


def test_enums_and_uuids_arrive_as_their_values() -> None:
    id_ = UUID(int=1)
    (record,) = decode(encode("record_trade", [(AT, {"side": Side.BUY, "id": id_})])).records
    assert record == {"side": "buy", "id": str(id_)}


def test_a_record_whose_time_is_left_out_on_purpose_shares_no_batch() -> None:
    assert not is_stampable("record_trade", {"id": "a"})
    assert is_stampable("record_trade", {"id": "a", "executed_at": 1})
    assert is_stampable("record_trade", {})
    assert is_stampable("record_metrics", {"id": "a"})
