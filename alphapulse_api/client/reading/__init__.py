"""The calls that read, one file a resource.

/docs describes their parameters and answers in full.
"""

from __future__ import annotations

from alphapulse_api.client.reading.agents import AgentsReading
from alphapulse_api.client.reading.alerts import AlertsReading
from alphapulse_api.client.reading.audit import AuditReading
from alphapulse_api.client.reading.callers import CallerReading
from alphapulse_api.client.reading.commands import CommandsReading
from alphapulse_api.client.reading.decisions import DecisionsReading
from alphapulse_api.client.reading.metrics import MetricsReading
from alphapulse_api.client.reading.notifications import NotificationsReading
from alphapulse_api.client.reading.pnl import PnlReading
from alphapulse_api.client.reading.portfolio import PortfolioReading
from alphapulse_api.client.reading.rules import RuleReading
from alphapulse_api.client.reading.system import SystemReading
from alphapulse_api.client.reading.trades import TradesReading
from alphapulse_api.client.reading.usage import UsageReading

__all__ = ["Reading"]


class Reading(
    CallerReading,
    MetricsReading,
    PortfolioReading,
    AlertsReading,
    RuleReading,
    TradesReading,
    PnlReading,
    DecisionsReading,
    UsageReading,
    AgentsReading,
    SystemReading,
    AuditReading,
    CommandsReading,
    NotificationsReading,
):
    """Every GET of the API as a method.

    `book` says which books the question is about. Without it, that is the caller's home book; for
    alerts and metrics, and for a record by its id, every book that the caller may use.
    """
