"""Protocols of the stores: ours, or a host's own behind an adapter."""

from alphapulse_api.storage.stores.agents import AgentStore
from alphapulse_api.storage.stores.alerts import AlertStore
from alphapulse_api.storage.stores.decisions import DecisionStore
from alphapulse_api.storage.stores.metrics import MetricStore
from alphapulse_api.storage.stores.portfolio import PortfolioStore
from alphapulse_api.storage.stores.records import NONE_SET, Record, Written
from alphapulse_api.storage.stores.system import SystemStore
from alphapulse_api.storage.stores.trades import TradeStore

__all__ = [
    "NONE_SET",
    "AgentStore",
    "AlertStore",
    "DecisionStore",
    "MetricStore",
    "PortfolioStore",
    "Record",
    "SystemStore",
    "TradeStore",
    "Written",
]
