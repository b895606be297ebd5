"""The token of the list of books, which is new with each change of a book."""

from __future__ import annotations

import secrets

from alphapulse_api.storage.engine import Transaction


async def replace_token(transaction: Transaction) -> None:
    """Let every process notice the change of a book, which the transaction makes."""
    await transaction.execute("UPDATE book_list SET token = $1", secrets.token_hex(8))
