"""What an export covers, what a spreadsheet makes of it, and what an empty parameter means."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.http.codecs.formats import encoder
from alphapulse_api.http.route_table import ROWS
from alphapulse_api.runtime.slices import finish
from tests.asking import ALERT, POINT, PORTFOLIO, SAMPLE, SIGNAL, TRADE, ask, places, problem
from tests.conftest import Server

OLD = datetime(2020, 1, 1, tzinfo=UTC)
TRADES = next(row for row in ROWS if row.path == "/api/trades" and row.method == "GET")


async def _fill(server: Server) -> None:
    """Of every resource a record of years ago and one of now."""
    feed = server.feed
    for n, when in enumerate((OLD, datetime.now(UTC))):
        await feed.record_metrics({**POINT, "timestamp": when, "value": n})
        await feed.record_trade({**TRADE, "id": f"t{n}", "executed_at": when})
        await feed.raise_alert({**ALERT, "id": f"a{n}", "created_at": when})
        await feed.record_signal("x", {**SIGNAL, "id": f"s{n}", "timestamp": when})
        await feed.report_system({**SAMPLE, "timestamp": when})


async def test_exports_have_routes_of_their_own(server: Server) -> None:
    await _fill(server)
    for n in range(3):
        at = OLD + timedelta(days=n)
        await server.feed.update_portfolio({**PORTFOLIO, "cash": f"{n}.50", "as_of": at})
    caller, form = await server.key(), "text/csv; charset=utf-8"
    for path, name, count in (
        ("/api/metrics/risk", "metrics", 2),
        ("/api/trades", "trades", 2),
        ("/api/alerts", "alerts", 2),
        ("/api/agents/x/signals", "signals", 2),
        ("/api/system", "system", 2),
        ("/api/portfolio/history", "history", 3),
    ):
        query = {"component": "feed"} if name == "system" else {}
        answer = await ask(server, "GET", f"{path}/export", caller, params=query)
        assert (answer.status, answer.headers["Content-Type"]) == (200, form)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}.csv"'
        assert answer.headers["X-Time-Range"] == "../.."
        assert len(answer.body.decode().splitlines()) == count + 1
        if name not in ("history", "signals"):  # an export of signals has their texts, too
            lists = await ask(server, "GET", path, caller, params={**query, "format": "csv"})
            assert lists.body == answer.body
        lines = await ask(
            server, "GET", f"{path}/export", caller,
            params={**query, "end_time": "2020-02-01T00:00:00Z"},
            headers={"Accept": "application/x-ndjson, text/html;q=0.5"},
        )  # fmt: skip
        rows = [json.loads(line) for line in lines.body.decode().splitlines()]
        assert len(rows) == (3 if name == "history" else 1)
        arrow = await ask(server, "GET", f"{path}/export?format=arrow", caller, params=query)
        assert arrow.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
        for refused in (
            {"params": {"format": "json"}},
            {"headers": {"Accept": "application/json"}},
        ):
            problem(await ask(server, "GET", f"{path}/export", caller, **refused), 406)
        answer = await ask(server, "GET", f"{path}/export", caller, params={"limit": "3"})
        assert places(answer) == ["limit"]
    values = [(row["timestamp"], row["cash"], row["positions_value"]) for row in rows]
    assert values == [(f"2020-01-0{n + 1}T00:00:00.000000Z", f"{n}.50", "0") for n in range(3)]


async def test_names_of_paths_are_no_ids(server: Server) -> None:
    caller = await server.login()
    for name in ("batch", "export", "import", "latest"):
        for method, path in (
            ("GET", f"/api/agents/{name}/signals"),
            ("PUT", f"/api/agents/{name}"),
            ("POST", f"/api/alerts/{name}/acknowledge"),
        ):
            assert places(await ask(server, method, path, caller, json={})) == ["id"]
    for path in ("/api/trades/batch", "/api/trades/latest", "/api/alerts/import"):
        assert places(await ask(server, "GET", path, caller)) == ["id"]


EXPORTS = (
    "/api/metrics/risk", "/api/metrics/risk?name=var", "/api/metrics/risk?max_points=10",
    "/api/trades", "/api/alerts", "/api/agents/x/signals", "/api/system?component=feed",
)  # fmt: skip


@pytest.mark.parametrize("path", EXPORTS)
async def test_an_export_without_a_range_has_everything_and_says_so(
    server: Server, path: str
) -> None:
    await _fill(server)
    caller = await server.key()
    mark = "&" if "?" in path else "?"

    async def export(form: str, **query: str) -> tuple[int, str]:
        more = "".join(f"&{name}={quote(value)}" for name, value in query.items())
        answer = await ask(server, "GET", f"{path}{mark}format={form}{more}", caller)
        assert answer.status == 200
        rows = answer.body.decode().splitlines()
        return len(rows) - (form == "csv"), answer.headers["X-Time-Range"]

    start, end = OLD + timedelta(days=1), OLD + timedelta(days=2)
    since, until = "2020-01-02T00:00:00.000000Z", "2020-01-03T00:00:00.000000Z"
    for form in ("csv", "ndjson"):
        assert await export(form) == (2, "../..")
        assert await export(form, start_time=start.isoformat()) == (1, f"{since}/..")
        assert await export(form, end_time=end.isoformat()) == (1, f"../{until}")
        both = {"start_time": start.isoformat(), "end_time": end.isoformat()}
        assert await export(form, **both) == (0, f"{since}/{until}")
    answer = await ask(server, "GET", f"{path}{mark}format=arrow", caller)
    assert answer.headers["X-Time-Range"] == "../.."
    # A page is a page, in each format.
    page = await ask(server, "GET", f"{path}{mark}format=csv&limit=10", caller)
    assert "X-Time-Range" not in page.headers


async def test_an_export_of_agents_has_signals_of_any_age_and_says_so(server: Server) -> None:
    await _fill(server)
    caller = await server.key()

    async def export(query: str) -> tuple[list[str], str]:
        answer = await ask(server, "GET", f"/api/agents?format=ndjson{query}", caller)
        (agent,) = map(json.loads, answer.body.splitlines())
        return [signal["id"] for signal in agent["signals"]], answer.headers["X-Time-Range"]

    assert await export("") == (["s1", "s0"], "../..")
    since = "2020-01-02T00:00:00.000000Z"
    assert await export(f"&start_time={since}") == (["s1"], f"{since}/..")
    assert await export(f"&end_time={since}") == (["s0"], f"../{since}")


@pytest.mark.parametrize("interval", ["1s", "1m", "auto"])
async def test_an_export_of_nothing_is_no_fault_of_its_interval(
    server: Server, interval: str
) -> None:
    caller = await server.key()
    path = f"/api/metrics/risk?format=ndjson&interval={interval}"
    assert (await ask(server, "GET", path, caller)).body == b""
    await server.feed.record_metrics(POINT)
    path += f"&end_time={quote(OLD.isoformat())}"
    assert (await ask(server, "GET", path, caller)).body == b""


HOSTILE = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0", "-", "-1-", "+"]


async def test_no_cell_of_a_spreadsheet_is_a_formula(server: Server) -> None:
    caller = await server.key()
    for n, text in enumerate(HOSTILE):
        record = {
            **TRADE, "id": f"{n}", "symbol": text, "strategy": text,
            "price": "-37.63", "fee": "-0.5",
            "metadata": {text: text},
        }  # fmt: skip
        await server.feed.record_trade(record)

    async def rows(path: str) -> list[dict[str, str]]:
        answer = await ask(server, "GET", path, caller)
        assert answer.status == 200
        return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))

    for limit in ("", "&limit=100"):
        for row in await rows(f"/api/trades?format=csv&spreadsheet=true{limit}"):
            text = HOSTILE[int(row["id"])]
            assert row["symbol"] == row["strategy"] == f"'{text}"
            assert (row["price"], row["fee"]) == ("-37.63", "-0.5")
            assert json.loads(row["metadata"]) == {text: text}
        # Programs get what was stored, and can send it back.
        for spelled in ("", "&spreadsheet=false"):
            for row in await rows(f"/api/trades?format=csv{spelled}{limit}"):
                assert row["symbol"] == HOSTILE[int(row["id"])]


async def test_only_csv_has_formulas(server: Server) -> None:
    caller = await server.key()
    for form in ("json", "ndjson", "arrow"):
        answer = await ask(server, "GET", f"/api/trades?spreadsheet=true&format={form}", caller)
        assert places(answer) == ["spreadsheet"]
    headers = {**caller, "Accept": "text/csv"}
    answer = await ask(server, "GET", "/api/trades?spreadsheet=true", headers)
    assert answer.headers["Content-Type"].startswith("text/csv")


@given(st.text("=+-@\t\r'\"0123456789.eE,\n ax", min_size=1, max_size=8))
def test_a_cell_keeps_its_text_behind_the_apostrophe(text: str) -> None:
    encode = encoder("csv", TRADES, {}, spreadsheet=True)
    taken = finish(encode.rows([{"symbol": text}])).decode()
    ((cell,),) = list(csv.reader(io.StringIO(taken, newline="")))[1:]
    assert cell in (text, f"'{text}")
    if cell == text and text[0] in "=+-@\t\r":
        float(text)  # a number, as it was


def _parameters() -> list[tuple[str, str]]:
    paths = {"metric_type": "risk", "id": "x", "signal_id": "s0"}
    return [
        (row.path.format_map(paths), name)
        for row in ROWS
        if row.method == "GET" and row.path.startswith("/api/")
        for name in row.query_schema.fields
        if name != "cursor"  # an empty one is the first page's
    ]


async def test_an_empty_value_is_refused_and_never_taken_for_an_absent_one(server: Server) -> None:
    caller = await server.login()
    await server.feed.record_signal("x", SIGNAL)
    for path, name in _parameters():
        answer = await ask(server, "GET", f"{path}?{name}=", caller)
        assert places(answer) == [name], path
        assert "Leave the parameter out" in problem(answer, 422)["errors"][0]["detail"]


async def test_an_export_has_no_pages(server: Server) -> None:
    caller = await server.key()
    for name, value in (("cursor", ""), ("cursor", "x"), ("limit", "1")):
        answer = await ask(server, "GET", f"/api/trades/export?{name}={value}", caller)
        assert places(answer) == [name]


async def test_a_label_may_have_an_empty_value(server: Server) -> None:
    caller = await server.key()
    for labels in ({"desk": ""}, {"desk": "a"}, {}):
        await server.feed.record_metrics({**POINT, "labels": labels})
    (point,) = await server.json("/api/metrics/risk?label=desk:", caller)
    assert point["labels"] == {"desk": ""}
    assert places(await ask(server, "GET", "/api/metrics/risk?label=desk:a&label=", caller)) == [
        "label"
    ]


FAULTS: dict[bytes, str] = {
    b"symbol,side\rAAPL,buy\r": "bare CR",
    b"symbol,side\nAAPL,buy\rMSFT,buy\n": "bare CR",
    b'symbol,side\n"AAPL,buy\n': "never closed",
    b'symbol,side\n"AA"PL,buy\n': "closing quote",
    b"symbol,side\n" + b"x" * 200_000 + b",buy\n": "more than 131072 characters",
}


@pytest.mark.parametrize("body", FAULTS, ids=range(len(FAULTS)))
async def test_a_csv_error_has_a_message_of_its_own(server: Server, body: bytes) -> None:
    caller = await server.key("publish")
    headers = {**caller, "Content-Type": "text/csv"}
    answer = await ask(server, "POST", "/api/trades", headers, data=body)
    detail = problem(answer, 400)["errors"][0]["detail"]
    assert FAULTS[body] in detail
    assert "newline" not in detail


async def test_a_taken_trade_id_says_how_ids_become_unique(server: Server) -> None:
    caller = await server.key("publish")
    record: dict[str, Any] = {**TRADE, "id": "123"}
    await ask(server, "POST", "/api/trades", caller, json=record)
    for body in ({**record, "symbol": "MSFT"}, [{**record, "symbol": "MSFT"}]):
        answer = problem(await ask(server, "POST", "/api/trades", caller, json=body), 409)
        assert "with another symbol" in answer["detail"]
        assert "unique only with venue and symbol" in answer["detail"]
        assert len(answer["errors"][0]["detail"]) <= 200
