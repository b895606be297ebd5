"""The log of nautilus_trader's engines in the tests."""

from __future__ import annotations

from pathlib import Path

from nautilus_trader.config import LoggingConfig


def logging_to(file: Path) -> LoggingConfig:
    """Warnings as JSON to a file, and nothing to the terminal."""
    return LoggingConfig(
        log_level="OFF", log_level_file="WARNING", log_file_format="json",
        log_directory=str(file.parent), log_file_name=file.stem,
    )  # fmt: skip
