"""Engines of nautilus_trader, with data and a strategy of its test kit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.examples.strategies.ema_cross import EMACross, EMACrossConfig
from nautilus_trader.model import Bar, BarType, Currency, InstrumentId, Money, Venue
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

ETHUSDT = TestInstrumentProvider.ethusdt_binance()
BINANCE = Venue("BINANCE")
BARS = BarType.from_str("ETHUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL")
BEGIN = pd.Timestamp("2024-01-01", tz="UTC").value
MINUTE = 60_000_000_000


def logging_to(file: Path) -> LoggingConfig:
    """Warnings as JSON to a file, and nothing to the terminal."""
    return LoggingConfig(
        log_level="OFF", log_level_file="WARNING", log_file_format="json",
        log_directory=str(file.parent), log_file_name=file.stem,
    )  # fmt: skip


def bars(count: int = 300, kind: BarType = BARS, precision: int = 5) -> list[Bar]:
    """A price that swings, so that averages cross."""

    def bar(minute: int) -> Bar:
        middle = round(2000 + 100 * math.sin(minute / 20), 2)
        prices = [Price(middle + by, 2) for by in (0, 1, -1, 0)]
        at = BEGIN + minute * MINUTE
        return Bar(kind, *prices, Quantity(100, precision), at, at)

    return [bar(minute) for minute in range(count)]


@pytest.fixture
def engine(log_file: Path) -> Iterator[BacktestEngine]:
    engine = BacktestEngine(BacktestEngineConfig(logging=logging_to(log_file)))
    yield engine
    engine.dispose()


def open_venue(
    engine: BacktestEngine, account: AccountType, balances: list[Money], base: Currency | None
) -> None:
    engine.add_venue(BINANCE, OmsType.NETTING, account, balances, base_currency=base)
    engine.add_instrument(ETHUSDT)
    engine.add_data(bars())


def crossing(
    of: InstrumentId = ETHUSDT.id, kind: BarType = BARS, size: Decimal = Decimal("0.1")
) -> EMACross:
    """Buys and sells at the market; its last position stays open."""
    return EMACross(
        EMACrossConfig(
            instrument_id=of,
            bar_type=kind,
            trade_size=size,
            request_bars=False,
            subscribe_trade_ticks=False,
            close_positions_on_stop=False,
        )
    )
