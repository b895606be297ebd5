"""Looks series up by their keys in a transaction, and creates those that do not exist."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from alphapulse_api.domain.points import Key
from alphapulse_api.domain.series_limits import TooManySeries
from alphapulse_api.storage.bulk import ROWS, insert_rows, select_rows
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.metrics.labels import add_labels
from alphapulse_api.storage.metrics.series_owners import count_new

WITH_TOKENS: Final = "series JOIN series_spans ON series_id = id"
_KEY: Final = ("metric_type", "name", "labels")
_KEY_TYPES: Final = ("text", "text", "text")


class Reference(NamedTuple):
    """A reference to a series: its number, and the token that proves that the number is its own."""

    number: int
    token: int


async def add_stored(
    known: dict[Key, Reference], transaction: Transaction, keys: Sequence[Key]
) -> None:
    """Add references to those series that exist."""
    for at in range(0, len(keys), ROWS):  # building the answer takes as long as decoding the rows
        rows = await select_rows(
            transaction,
            "metric_type, name, labels, id, token",
            WITH_TOKENS,
            _KEY,
            keys[at : at + ROWS],
            _KEY_TYPES,
        )
        known.update(((row[0], row[1], row[2]), Reference(row[3], row[4])) for row in rows)


async def create(
    known: dict[Key, Reference],
    transaction: Transaction,
    keys: Sequence[Key],
    owners: Mapping[Key, str],
    most: int,
    most_of_key: int,
) -> None:
    """Create series and add references to them.

    Args:
        known: is filled with the references.
        transaction: the one that stores the points.
        keys: the series.
        owners: the API keys that make them, as far as there are any.
        most: series that may exist.
        most_of_key: series that an API key may make.

    Raises:
        TooManySeries: if there would be too many; the transaction must fail then.
    """
    # Until the commit, no other process creates or removes a series.
    ((count,),) = await transaction.fetch(
        'UPDATE series_version SET version = version + 1 WHERE "only" = 1 RETURNING series'
    )
    if count + len(keys) > most:
        # Others may have created some of them before this transaction got the lock.
        await add_stored(known, transaction, keys)
        keys = [key for key in keys if key not in known]
        if count + len(keys) > most:
            raise TooManySeries(keys, "max_series", most, count)
    created = 0
    owned: dict[Key, str] = {}
    for at in range(0, len(keys), ROWS):
        new = await insert_rows(
            transaction,
            f"series ({', '.join(_KEY)})",
            keys[at : at + ROWS],
            f"ON CONFLICT ({', '.join(_KEY)}) DO NOTHING RETURNING id, metric_type, name, labels",
            _KEY_TYPES,
        )
        await add_labels(transaction, new)
        tokens = struct.iter_unpack("=Q", secrets.token_bytes(8 * len(new)))
        made_by = {key: owners[key] for row in new if (key := (row[1], row[2], row[3])) in owners}
        await insert_rows(
            transaction,
            "series_spans (series_id, points, token, owner)",
            [
                (row[0], 0, token >> 1, made_by.get((row[1], row[2], row[3])))
                for row, (token,) in zip(new, tokens, strict=True)
            ],
            "",
            ("bigint", "bigint", "bigint", "text"),
        )
        owned |= made_by
        created += len(new)
    await count_new(transaction, owned, most_of_key)
    await transaction.execute(
        'UPDATE series_version SET series = series + $1 WHERE "only" = 1', created
    )
    await add_stored(known, transaction, keys)
