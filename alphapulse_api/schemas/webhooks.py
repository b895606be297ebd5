"""Messages of other systems, as OpenAPI describes them; the receivers validate them."""

from __future__ import annotations

from typing import Final

from marshmallow import INCLUDE, Schema, fields

from alphapulse_api.schemas.fields import Choice, Identifier, Money, Text, Timestamp, Word
from alphapulse_api.schemas.portfolio import PositionSide


class FiringStatus(Choice):
    """Whether an alert fires, or has ended."""

    words = ("firing", "resolved")


class FiringAlert(Schema):
    """One alert of Alertmanager or Grafana."""

    class Meta:
        unknown = INCLUDE

    status = FiringStatus(required=True)
    labels = fields.Dict(fields.String(), fields.String())
    annotations = fields.Dict(fields.String(), fields.String())
    startsAt = Timestamp(required=True)
    endsAt = Timestamp()
    fingerprint = Text(128, required=True)


class AlertmanagerMessage(Schema):
    """A webhook message of Alertmanager or Grafana."""

    class Meta:
        unknown = INCLUDE

    alerts = fields.List(fields.Nested(FiringAlert), required=True)


class TradingViewMessage(Schema):
    """A message of TradingView: a signal if it has a direction or an action, else an alert.

    The other fields of a signal or an alert are taken too, and unknown ones go to its metadata.
    """

    class Meta:
        unknown = INCLUDE

    id = Identifier()
    agent_id = Identifier(metadata={"description": 'of a signal; default: "tradingview"'})
    ticker = Text(64, metadata={"description": "or symbol"})
    action = Text(16, metadata={"description": "or direction: buy, sell, hold, short, cover, long"})
    title = Text(256, metadata={"description": "default: the first line of the message"})
    message = Text(4096)
    severity = Text(64, metadata={"description": "a word of any alerting system"})


FREQTRADE_ORDERS: Final = (
    "entry", "entry_fill", "entry_cancel", "exit", "exit_fill", "exit_cancel",
)  # fmt: skip
# What becomes an alert, and its severity.
FREQTRADE_ALERTS: Final = {
    "warning": "warning",
    "exception": "error",
    "protection_trigger": "warning",
    "protection_trigger_global": "warning",
    "liquidation_warning": "critical",
    "strategy_msg": "info",
}


class FreqtradeEvent(Choice):
    """What a message of freqtrade is about."""

    words = ("status", *FREQTRADE_ORDERS, *FREQTRADE_ALERTS)


class FreqtradeMessage(Schema):
    """A message of freqtrade, configured as docs/http.md shows; other fields go to the metadata."""

    class Meta:
        unknown = INCLUDE

    event = FreqtradeEvent(required=True)
    bot = Identifier(load_default="freqtrade", metadata={"description": "the agent"})
    strategy = Text(128)
    trade_id = Text(64, number=True)
    pair = Text(64)
    direction = PositionSide()
    order_type = Word()
    amount = Money()
    rate = Money(signed=True)
    profit_amount = Money(signed=True)
    profit_ratio = Money(signed=True)
    message = Text(65_536)
