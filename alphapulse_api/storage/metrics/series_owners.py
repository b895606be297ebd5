"""Counts the series that each API key has made, and bounds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from alphapulse_api.domain.points import Key, Points
from alphapulse_api.domain.series_limits import TooManySeries
from alphapulse_api.storage.engine import Engine, Transaction

Owned = Sequence[tuple[Points, str | None]]
"""Points, each with the API key of its caller; None: the caller has none."""


def owners_of(keys: Collection[Key], owned: Owned) -> dict[Key, str]:
    """The API keys that make new series: of each series, the first that sends a point."""
    wanted = set(keys)
    owners: dict[Key, str] = {}
    for points, owner in owned:
        for series in points.series:
            if series.key in wanted:
                wanted.remove(series.key)
                if owner is not None:
                    owners[series.key] = owner
    return owners


async def count_new(transaction: Transaction, owners: Mapping[Key, str], most: int) -> None:
    """Count new series for their API keys.

    Raises:
        TooManySeries: if a key would have more than `most`; the transaction must fail then.
    """
    for owner, new in sorted(Counter(owners.values()).items()):
        ((count,),) = await transaction.fetch(
            "INSERT INTO series_owners (owner, series) VALUES ($1, $2) ON CONFLICT (owner) "
            "DO UPDATE SET series = series_owners.series + excluded.series RETURNING series",
            owner,
            new,
        )
        if count > most:
            its = [key for key, one in owners.items() if one == owner]
            raise TooManySeries(its, "max_series_per_key", most, count - new, "of this API key ")


async def forget_removed(engine: Engine, transaction: Transaction, numbers: Sequence[int]) -> None:
    """Count series for their API keys no longer; called before they are removed."""
    rows = await transaction.fetch(
        "SELECT owner, count(*) FROM series_spans "
        f"WHERE {engine.among('series_id', '$1')} AND owner IS NOT NULL "
        "GROUP BY owner ORDER BY owner",
        engine.listed(numbers),
    )
    for owner, count in rows:
        await transaction.execute(
            "UPDATE series_owners SET series = series - $2 WHERE owner = $1", owner, count
        )


async def series_of(engine: Engine, owner: str) -> int:
    """How many series an API key has made."""
    rows = await engine.fetch("SELECT series FROM series_owners WHERE owner = $1", owner)
    return int(rows[0][0]) if rows else 0
