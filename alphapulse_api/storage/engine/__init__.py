"""What the engines share: transactions, group commit, migrations."""

from __future__ import annotations

from alphapulse_api.storage.engine.base import Engine, Transaction

__all__ = ["Engine", "Transaction"]
