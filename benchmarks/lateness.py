"""How late the ticks of hosts were, and how long their hand-overs took; compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

AIM_P99, AIM_WORST = 1.2, 2.0  # of a watched host over one beside stand-ins


class Row:
    """The measurements of hosts; turns are added up."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._by_itself: list[float] = []
        self._points: list[float] = []
        self._trades: list[float] = []
        self._planned = 0

    @classmethod
    def of(cls, ticks: dict[str, Any]) -> Row:
        """A row from the measurements of a host."""
        row = cls()
        row.add(ticks)
        return row

    def add(self, ticks: dict[str, Any]) -> None:
        """Add the measurements of a host."""
        self._late = sorted(self._late + ticks["late"])
        self._by_itself = sorted(self._by_itself + ticks["by itself"])
        self._points = sorted(self._points + ticks["points"])
        self._trades = sorted(self._trades + ticks["trades"])
        self._planned += ticks["planned"]

    def cells(self) -> list[str]:
        """Lateness, and the share of the ticks that happened."""
        late = (
            _at(self._late, 0.5), _at(self._late, 0.99), self._late[-1],
            _at(self._by_itself, 0.99), _at(self._by_itself, 0.999), self._by_itself[-1],
        )  # fmt: skip
        share = 100 * len(self._late) / self._planned
        return [*(f"{value * 1e3:.2f}" for value in late), f"{share:.1f}"]

    def over(self, base: Row) -> tuple[float, float]:
        """The ratios of the 99th percentile and of the worst to another row's."""
        return (
            _at(self._late, 0.99) / _at(base._late, 0.99),
            self._late[-1] / base._late[-1],
        )

    def hand_overs(self) -> list[str]:
        """The microseconds that a point and a trade took."""
        return [
            f"{_at(times, quantile) * 1e6:.1f}"
            for times in (self._points, self._trades)
            for quantile in (0.5, 0.99)
        ]


@dataclass
class Rows:
    """The measurements of three hosts in turns.

    Attributes:
        alone: without a dashboard.
        watched: with one and its viewers.
        beside: without one, beside stand-ins.
        cpu: the CPU time of the dashboard's process and viewers, as a share of the watched time.
    """

    alone: Row = field(default_factory=Row)
    watched: Row = field(default_factory=Row)
    beside: Row = field(default_factory=Row)
    cpu: float = 0.0

    def named(self) -> list[tuple[str, Row]]:
        """The rows with their labels."""
        return [
            ("no dashboard", self.alone),
            ("no dashboard, stand-ins", self.beside),
            ("dashboard", self.watched),
        ]

    def ratios(self) -> list[str]:
        """The ratios of the watched host, and whether they meet the aims."""
        p99, worst = self.watched.over(self.beside)
        return [
            f"{100 * self.cpu:.0f}",
            f"{p99:.2f}x",
            "met" if p99 <= AIM_P99 else "missed",
            f"{worst:.2f}x",
            "met" if worst <= AIM_WORST else "missed",
            f"{self.watched.over(self.alone)[0]:.2f}x",
        ]


def _at(times: Sequence[float], quantile: float) -> float:
    return times[min(len(times) - 1, int(len(times) * quantile))]
