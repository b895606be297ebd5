"""Portfolios, their history and the overview of all books."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import books, imports, portfolio
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.books import PortfolioOverview
from alphapulse_api.schemas.imports import EquityPoint, HistoryImport, Imported
from alphapulse_api.schemas.portfolio import (
    HistoryExport,
    HistoryPoint,
    Portfolio,
    PortfolioQuery,
    PortfolioRequest,
)

# fmt: off
ROWS: Final = (
    Row("GET", "/api/portfolio", "view_portfolio", portfolio.get_portfolio,
        query=PortfolioQuery, answer=Portfolio, resource="portfolio", channel="portfolio",
        tag="portfolio", operation="getPortfolio", failures=(404,)),
    Row("GET", "/api/portfolio/history/export", "view_portfolio", portfolio.export_history,
        query=HistoryExport, answer=HistoryPoint, many=True, export=True,
        channel="portfolio", tag="portfolio", operation="exportPortfolioHistory"),
    Row("POST", "/api/portfolio/history/import", PUBLISH,
        imports=imports.import_portfolio_history, query=HistoryImport, body=EquityPoint,
        body_in_lines=True, answer=Imported, tag="portfolio",
        operation="importPortfolioHistory"),
    Row("GET", "/api/portfolios", "view_portfolio", books.get_portfolios, answer=PortfolioOverview,
        every_book=True,
        resource="portfolio", channel="portfolio", tag="portfolio", operation="listPortfolios"),
    Row("PUT", "/api/portfolio", PUBLISH, portfolio.put_portfolio, body=PortfolioRequest,
        answer=Portfolio, versioned=True, tag="portfolio", operation="updatePortfolio",
        failures=(409,)),
)
# fmt: on
