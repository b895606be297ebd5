"""The addresses from which users log in: known ones are exempt from the throttle of strangers."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.engine import Transaction

ADDRESS_REMEMBERED: Final = timedelta(days=30)  # since the last login from there


async def remember_address(transaction: Transaction, username: str, address: str) -> None:
    """Store that the user logged in from that address, and delete old logins."""
    instant = now()
    await transaction.execute(
        "DELETE FROM login_addresses WHERE username = $1 AND seen_at <= $2",
        username,
        to_micros(instant - ADDRESS_REMEMBERED),
    )
    await transaction.execute(
        "INSERT INTO login_addresses (username, address, seen_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (username, address) DO UPDATE SET seen_at = excluded.seen_at",
        username,
        address,
        to_micros(instant),
    )
