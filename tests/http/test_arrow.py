"""Arrow: every list as typed columns, which polars and pyarrow open without a schema."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from yarl import URL

from alphapulse_api.domain.times import rfc3339
from alphapulse_api.http import export
from tests.asking import ALERT, POINT, SAMPLE, SIGNAL, TRADE, Answer, ask, problem
from tests.conftest import Serve, Server

ARROW = "application/vnd.apache.arrow.stream"
WORDS = pa.dictionary(pa.int32(), pa.utf8())
TIME = pa.timestamp("us", tz="UTC")
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "/api/metrics": {
        "metric_type": WORDS, "name": WORDS, "labels": WORDS, "first": TIME, "last": TIME,
        "count": pa.int64(),
    },
    "/api/metrics/risk": {
        "metric_type": WORDS, "name": WORDS, "timestamp": TIME, "value": pa.float64(),
        "labels": WORDS,
    },
    "/api/metrics/risk/latest": {
        "metric_type": WORDS, "name": WORDS, "timestamp": TIME, "value": pa.float64(),
        "labels": WORDS,
    },
    "/api/alerts": {
        "id": pa.utf8(), "title": pa.utf8(), "message": pa.utf8(), "severity": WORDS,
        "source": WORDS, "rule_id": WORDS, "metric_name": WORDS, "metric_value": pa.float64(),
        "threshold": pa.float64(), "status": WORDS, "created_at": TIME, "acknowledged": pa.bool_(),
        "acknowledged_by": WORDS, "acknowledged_at": TIME, "comments": pa.utf8(),
        "resolved_at": TIME, "tags": pa.utf8(), "metadata": pa.utf8(),
        "book": WORDS, "fingerprint": WORDS, "occurrences": pa.int64(), "last_seen_at": TIME,
        "reopened_from": pa.utf8(),
    },
    "/api/trades": {
        "id": pa.utf8(), "order_id": pa.utf8(), "client_order_id": pa.utf8(), "symbol": WORDS,
        "side": WORDS, "quantity": pa.utf8(), "filled_quantity": pa.utf8(), "price": pa.utf8(),
        "value": pa.utf8(), "fee": pa.utf8(), "fee_currency": WORDS, "fees": pa.utf8(),
        "order_type": WORDS, "status": WORDS, "agent_id": WORDS, "strategy": WORDS,
        "executed_at": TIME, "updated_at": TIME, "corrects": pa.utf8(), "decision_id": pa.utf8(),
        "decided_price": pa.utf8(), "metadata": pa.utf8(), "book": WORDS,
    },
    "/api/agents": {
        "agent_id": WORDS, "agent_type": WORDS, "state": WORDS, "metrics": pa.utf8(),
        "updated_at": TIME, "commands": pa.utf8(), "signals": pa.utf8(),
    },
    "/api/agents/x1/signals": {
        "id": pa.utf8(), "agent_id": WORDS, "symbol": WORDS, "direction": WORDS,
        "confidence": pa.float64(), "conviction": pa.float64(), "rating": WORDS,
        "abstained": pa.bool_(), "reason": pa.utf8(), "horizon": pa.utf8(),
        "entry_price": pa.utf8(), "target_price": pa.utf8(), "stop_loss": pa.utf8(),
        "size": pa.utf8(), "timestamp": TIME, "received_at": TIME, "valid_until": TIME,
        "model": WORDS, "prompt_hash": pa.utf8(), "cycle_id": WORDS,
        "supersedes": pa.utf8(), "usage": pa.utf8(), "metadata": pa.utf8(), "book": WORDS,
    },
    "/api/system": {
        "component": WORDS, "status": WORDS, "timestamp": TIME, "metrics": pa.utf8(),
        "message": pa.utf8(),
    },
}  # fmt: skip
NOW = datetime.now(UTC).replace(microsecond=250_000) - timedelta(minutes=30)


def _table(answer: Answer) -> pa.Table:
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == ARROW
    return pa.ipc.open_stream(answer.body).read_all()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return value


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return [{name: _cell(value) for name, value in row.items()} for row in table.to_pylist()]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _expected(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _json(value) if isinstance(value, (dict, list)) else value
        for name, value in row.items()
    }


async def _fill(server: Server) -> None:
    for n in range(3):
        at = (NOW - timedelta(minutes=n)).isoformat()
        trade = {**TRADE, "executed_at": at, "price": f"{n}.10", "metadata": {"n": n}}
        await server.feed.record_trade({**trade, "fee": "-0.00" if n else None})
        point = {**POINT, "timestamp": at, "value": None if n else 1.5, "labels": {"b": "ü"}}
        await server.feed.record_metrics(point)
        await server.feed.raise_alert({**ALERT, "created_at": at, "tags": ["a", "b"]})
        signal = {**SIGNAL, "timestamp": at, "target_price": "1.50" if n else None}
        await server.feed.record_signal("x1", signal)
        await server.feed.report_system({**SAMPLE, "timestamp": at, "metrics": {"lag": 0.5}})


@pytest.mark.parametrize("path", COLUMNS)
async def test_every_list_has_the_same_typed_columns_full_and_empty(
    server: Server, path: str
) -> None:
    caller = await server.key()
    if path == "/api/agents/x1/signals":
        await server.feed.update_agent("x1", {})
    columns = pa.schema(list(COLUMNS[path].items()))
    nothing = "?end_time=1" if path not in ("/api/metrics", "/api/metrics/risk/latest") else ""
    empty = await ask(server, "GET", path + nothing, caller, headers={"Accept": ARROW})
    assert _table(empty).schema == columns
    assert _rows(_table(empty)) == [] or path == "/api/agents"
    await _fill(server)
    rows = await server.json(path, caller)
    assert rows
    asked = await ask(server, "GET", path, caller, headers={"Accept": ARROW})
    named = await ask(server, "GET", path + "?format=arrow", caller)
    for answer in (asked, named):
        table = _table(answer)
        assert table.schema == columns
        assert _rows(table) == [_expected(row) for row in rows]
    frame = pl.read_ipc_stream(io.BytesIO(named.body))
    assert frame.columns == columns.names
    assert [{n: _cell(v) for n, v in row.items()} for row in frame.to_dicts()] == _rows(table)
    for name, kind in COLUMNS[path].items():
        expected: Any = {
            WORDS: pl.Categorical, TIME: pl.Datetime("us", "UTC"), pa.float64(): pl.Float64,
            pa.int64(): pl.Int64, pa.bool_(): pl.Boolean, pa.utf8(): pl.String,
        }[kind]  # fmt: skip
        assert frame.schema[name] == expected, name
    head = await ask(server, "HEAD", f"{path}?format=arrow", caller)
    assert (head.status, head.body, head.headers["Content-Type"]) == (200, b"", ARROW)


async def test_pages_have_link_and_etag_and_are_cached(server: Server) -> None:
    await _fill(server)
    caller = await server.key()
    path, rows = "/api/trades?format=arrow&limit=2", []
    while path:
        first = await ask(server, "GET", path, caller)
        again = await ask(server, "GET", path, caller)
        assert (first.headers["X-Cache"], again.headers["X-Cache"]) == ("MISS", "HIT")
        assert first.body == again.body
        condition = {"If-None-Match": first.headers["ETag"]}
        same = await ask(server, "GET", path, caller, headers=condition)
        assert (same.status, same.body) == (304, b"")
        rows += _rows(_table(first))
        link = first.headers.get("Link")
        path = str(URL(link.split(">")[0].strip("<"))) if link else ""
    assert rows == [_expected(row) for row in await server.json("/api/trades", caller)]
    fresh = {"Cache-Control": "no-cache"}
    path = "/api/trades?format=arrow&limit=2"
    answers = [await ask(server, "GET", path, caller, headers=fresh) for _ in range(2)]
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]


async def test_an_export_of_many_batches_is_read_by_both(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that come, go and come again: each batch has a dictionary of its own."""
    monkeypatch.setattr(export, "EXPORT_ROWS", 7)
    count = 60
    await server.feed.record_metrics(
        [
            {
                **POINT,
                "name": f"n{n // 20 % 2}" if n % 3 else f"only{n}",
                "timestamp": NOW.timestamp() - count + n,
                "value": n,
                "labels": {"batch": str(n // 9)} if n < 50 else {},
            }
            for n in range(count)
        ]
    )
    caller = await server.key()
    answer = await ask(server, "GET", "/api/metrics/risk?format=arrow", caller)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["X-Cache"] == "BYPASS"
    assert len(list(pa.ipc.open_stream(answer.body))) == -(-count // 7)
    rows = [_expected(row) for row in await server.json("/api/metrics/risk", caller)]
    assert _rows(_table(answer)) == rows
    frame = pl.read_ipc_stream(io.BytesIO(answer.body))
    assert [{n: _cell(v) for n, v in row.items()} for row in frame.to_dicts()] == rows
    assert frame.group_by("labels").len()["len"].sum() == count
    # Labels are JSON text, a key of which polars gets at so.
    batch = frame["labels"].cast(pl.String).str.json_path_match("$.batch")
    assert batch.drop_nulls().n_unique() == 6


async def test_several_aggregations_have_columns_of_their_own(server: Server) -> None:
    caller = await server.key()
    names = ["metric_type", "name", "timestamp", "p99", "count", "avg", "labels"]
    path = "/api/metrics/risk?aggregation=p99,count,mean&interval=1m&format="
    for filled in (False, True):
        if filled:
            await _fill(server)
        table = _table(await ask(server, "GET", path + "arrow", caller))
        assert table.schema.names == names
        assert [str(table.schema.field(n).type) for n in ("p99", "count", "avg")] == [
            "double", "int64", "double",
        ]  # fmt: skip
        assert bool(table.num_rows) == filled
        text = (await ask(server, "GET", path + "csv", caller)).body.decode()
        assert text.splitlines()[0].split(",") == names
    one = "/api/metrics/risk?aggregation=p99&interval=1m&format=arrow"
    names[3:6] = ["value"]
    assert _table(await ask(server, "GET", one, caller)).schema.names == names


async def test_decimals_are_text_that_casts_without_loss(server: Server) -> None:
    digits = ["67123.50", "0.000000000000000000000000000000000001", "1" * 38]
    for price in digits:
        await server.feed.record_trade({**TRADE, "price": price})
    answer = await ask(server, "GET", "/api/trades?format=arrow", await server.key())
    prices = _table(answer)["price"]
    assert sorted(prices.to_pylist()) == sorted(digits)
    short = pa.array(["67123.50", "0.1"])
    assert short.cast(pa.decimal128(20, 8)).to_pylist() == [
        Decimal("67123.50000000"), Decimal("0.10000000"),
    ]  # fmt: skip
    assert pl.Series(["67123.50"]).cast(pl.Decimal(20, 8))[0] == Decimal("67123.50")


async def test_without_pyarrow_it_is_said_what_to_install(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    caller = await server.key()
    named = await ask(server, "GET", "/api/trades?format=arrow", caller)
    only = await ask(server, "GET", "/api/trades", caller, headers={"Accept": ARROW})
    for answer in (named, only):
        assert 'pip install "alphapulse_api[arrow]"' in problem(answer, 406)["detail"]
    for accept, kind in (
        (f"{ARROW}, text/csv;q=0.5", "text/csv; charset=utf-8"),
        (f"{ARROW}, */*;q=0.1", "application/json"),
    ):
        answer = await ask(server, "GET", "/api/trades", caller, headers={"Accept": accept})
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)


class Trades:
    """A host's accessor that writes times and numbers in its own way."""

    async def get_trades(self) -> list[dict[str, Any]]:
        return [{"id": "x", "executed_at": "2026-01-01T01:00:00+01:00", "price": 1.5, "note": "n"}]


async def test_a_hosts_rows_get_the_columns_of_the_schema(serve: Serve) -> None:
    server = await serve({"trades": Trades()})
    table = _table(await ask(server, "GET", "/api/trades?format=arrow", await server.key()))
    assert table.schema == pa.schema(list(COLUMNS["/api/trades"].items()))
    (row,) = _rows(table)
    midnight = "2026-01-01T00:00:00.000000Z"
    assert (row["executed_at"], row["price"], row["side"]) == (midnight, "1.5", None)
