"""Plain text tables and ratios for the terminal."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version

import psutil


def print_environment(*packages: str) -> None:
    """Print the machine and the versions, because absolute figures depend on them."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    python = platform.python_version()
    print(f"Python {python}, {versions}; {psutil.cpu_count()} cores, load average {load}")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, with the first column aligned left and the others right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]))


def print_ratio(label: str, value: float, aim: float, by_cpu: float, *, decided: bool) -> None:
    """A ratio of throughputs beside its aim, and the same by CPU time a request.

    Args:
        decided: whether both servers had a core to themselves, so that the aim can be judged.
    """
    verdict = ("met" if value >= aim else "MISSED") if decided else "not decided"
    print(f"{label}: {value:.2f}x (aim {aim:g}x: {verdict}; by CPU time a request {by_cpu:.2f}x)")
