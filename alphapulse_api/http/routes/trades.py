"""Trades, and what led to each of them."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import decisions, imports, trades
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.batches import BatchQuery, BatchResult
from alphapulse_api.schemas.chains import Why
from alphapulse_api.schemas.imports import Imported, ImportedTrade
from alphapulse_api.schemas.queries import RecordQuery
from alphapulse_api.schemas.trades import (
    Trade,
    TradeRequest,
    TradesExport,
    TradesQuery,
    TradeWithHistory,
)

# fmt: off
ROWS: Final = (
    Row("GET", "/api/trades", "view_trades", trades.list_trades, query=TradesQuery,
        answer=Trade, many=True, resource="trades", channel="trades", tag="trades",
        operation="listTrades"),
    Row("GET", "/api/trades/export", "view_trades", trades.export_trades,
        query=TradesExport, answer=Trade, many=True, export=True, channel="trades",
        tag="trades", operation="exportTrades"),
    Row("GET", "/api/trades/{id}", "view_trades", trades.get_trade,
        query=RecordQuery, answer=TradeWithHistory, every_book=True,
        resource="trades", channel="trades", tag="trades", operation="getTrade",
        failures=(404, 409)),
    Row("POST", "/api/trades", PUBLISH, trades.record_trades, body=TradeRequest,
        body_may_be_array=True, answer=Trade, status=201, located=True, repeats=True, tag="trades",
        operation="createTrade", failures=(409,)),
    Row("PUT", "/api/trades/{id}", PUBLISH, trades.put_trade, body=TradeRequest, answer=Trade,
        status=201, repeats=True, tag="trades", operation="updateTrade", failures=(409,)),
    Row("POST", "/api/trades/batch", PUBLISH, trades.record_batch, query=BatchQuery,
        body=TradeRequest, body_is_array=True, answer=BatchResult, tag="trades",
        operation="createTrades", failures=(409,)),
    Row("POST", "/api/trades/import", PUBLISH, imports=imports.import_trades,
        body=ImportedTrade, body_in_lines=True, answer=Imported, tag="trades",
        operation="importTrades", failures=(409,)),
    # Not cached: the answer depends on trades, decisions and agents at once.
    Row("GET", "/api/trades/{id}/why", "view_trades", decisions.explain_trade,
        query=RecordQuery, answer=Why, every_book=True, channel="decisions", tag="trades",
        operation="explainTrade", failures=(404, 409),
        also=("view_agents",)),
)
# fmt: on
