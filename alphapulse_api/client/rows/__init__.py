"""The types of the answers' rows.

Money and quantities are `Decimal`, times are aware `datetime`s in UTC, metric values are `float`,
and null is None.
"""

from alphapulse_api.client.rows.agents import Agent, AgentState, Direction, Input, Signal, Usage
from alphapulse_api.client.rows.alerts import Alert, AlertStatus, Severity
from alphapulse_api.client.rows.audit import AuditEntry
from alphapulse_api.client.rows.batches import BatchResult, ItemResult, OnError
from alphapulse_api.client.rows.books import (
    Book,
    BookMode,
    BookPortfolio,
    Portfolios,
    PortfolioTotal,
)
from alphapulse_api.client.rows.callers import Me
from alphapulse_api.client.rows.commands import Command, CommandState
from alphapulse_api.client.rows.metrics import MetricPoint, Series
from alphapulse_api.client.rows.notifications import (
    Matchers,
    Notification,
    NotificationCause,
    NotificationState,
    Silence,
)
from alphapulse_api.client.rows.pnl import PnlGrouping, PnlSum
from alphapulse_api.client.rows.portfolio import HistoryPoint, Portfolio, Position
from alphapulse_api.client.rows.rules import Rule, RuleState, RuleTest
from alphapulse_api.client.rows.sorting import Sort
from alphapulse_api.client.rows.system import SystemSample
from alphapulse_api.client.rows.trades import Fee, OrderState, Side, Trade, TradeStatus

__all__ = [
    "Agent",
    "AgentState",
    "Alert",
    "AlertStatus",
    "AuditEntry",
    "BatchResult",
    "Book",
    "BookMode",
    "BookPortfolio",
    "Command",
    "CommandState",
    "Direction",
    "Fee",
    "HistoryPoint",
    "Input",
    "ItemResult",
    "Matchers",
    "Me",
    "MetricPoint",
    "Notification",
    "NotificationCause",
    "NotificationState",
    "OnError",
    "OrderState",
    "PnlGrouping",
    "PnlSum",
    "Portfolio",
    "PortfolioTotal",
    "Portfolios",
    "Position",
    "Rule",
    "RuleState",
    "RuleTest",
    "Series",
    "Severity",
    "Side",
    "Signal",
    "Silence",
    "Sort",
    "SystemSample",
    "Trade",
    "TradeStatus",
    "Usage",
]
