"""Portfolios that change at random, and the folding of what the socket sends about them."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any


class Folded:
    """The portfolio of a client that follows docs/websocket.md, from JSON alone."""

    def __init__(self) -> None:
        self.portfolio: dict[str, Any] = {}
        self.kinds: list[str] = []

    def take(self, message: dict[str, Any]) -> None:
        data = message["data"]
        self.kinds.append(message["type"])
        if message["type"] == "portfolio":
            self.portfolio = data
            return
        before = self.portfolio["positions"]
        total = data["total_value"]
        kept = [{**p, "weight": _share(p["value"], total)} for p in before]
        listed = kept + data["positions"]
        runs = data.pop("runs")
        positions = [p for start, length in runs for p in listed[start : start + length]]
        self.portfolio = {**data, "positions": positions}


def _share(value: str | None, total: str) -> float | None:
    if value is None or not Fraction(total):
        return None
    return float(Fraction(value) / Fraction(total))


class Desk:
    """Makes the next portfolio: a few positions change, close, open, move, or get a weight."""

    def __init__(self, seed: int, positions: int) -> None:
        self._random = random.Random(seed)
        self._count = positions
        self._positions = [self._position() for _ in range(positions)]

    def next(self) -> dict[str, Any]:
        chance, positions = self._random, self._positions
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(positions) + 1)
            match chance.randrange(5):
                case 0 if positions:
                    del positions[place - 1]
                case 1:
                    positions.insert(place, self._position())
                case 2 if positions:
                    positions.insert(place - 1, positions.pop())
                case 3 if positions:
                    positions[place - 1] |= {"weight": chance.choice((0.25, None))}
                case _ if positions:
                    positions[place - 1] |= {"current_price": f"{chance.randrange(1, 9999)}.37"}
        if chance.random() < 0.02:
            self._positions = [self._position() for _ in range(self._count)]
        total = chance.choice(("1000000.25", f"{chance.randrange(1, 10**9)}.31", "0"))
        performance = {"sharpe": chance.random()}
        return {
            "total_value": total,
            "cash": "12.5",
            "positions": list(positions),
            "performance": performance,
        }

    def _position(self) -> dict[str, Any]:
        chance = self._random
        return {
            # Few names, so that several positions have one.
            "symbol": f"SYM{chance.randrange(2 * self._count)}",
            "side": chance.choice(("long", "short")),
            "quantity": f"{chance.randrange(1, 100)}.5",
            "entry_price": "101.25",
            "current_price": chance.choice((None, "99.5", "0")),
        }
