"""Entry `scale`: every question at three sizes of the history, on SQLite and PostgreSQL."""

from .entry import add_options, run

__all__ = ("add_options", "run")
