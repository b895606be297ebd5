"""What both engines share: the interface, group commit, the outbox insert, the circuit breaker."""

from __future__ import annotations

from alphapulse_api.storage.engine.base import Engine, Transaction

__all__ = ["Engine", "Transaction"]
