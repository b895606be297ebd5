"""The index of labels: which series have a label, in the order of the listings.

The transaction that creates a series enters it, and the one that removes the series removes its
entries. Series that are older than the index are entered in the background, newest first, in short
steps; until that is complete, questions by label read all series of the type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.storage.bulk import insert_rows, keys_as_rows
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.query import Where
from alphapulse_api.storage.steps import Steps

_COLUMNS: Final = ("label_key", "label_value", "metric_type", "name", "series_id")
_TYPES: Final = ("text", "text", "text", "text", "bigint")
ROW_BYTES: Final = 256  # of a label, about
STEP: Final = 1000  # series at most
RARE: Final = 100  # series; labels of more series count as equally frequent

LabelledSeries = tuple[int, str, str, str]  # number, type, name, and labels in the stored form


async def add_labels(transaction: Transaction, series: Iterable[Sequence[Any]]) -> None:
    """Enter series, each a `LabelledSeries`."""
    rows = _rows(series)
    into = f"series_labels ({', '.join(_COLUMNS)})"
    await insert_rows(transaction, into, rows, "ON CONFLICT DO NOTHING", _TYPES)


async def remove_labels(transaction: Transaction, series: Iterable[Sequence[Any]]) -> None:
    """Remove series, each a `LabelledSeries`."""
    if rows := _rows(series):
        keys, args = keys_as_rows(transaction, _TYPES, rows)
        columns = ", ".join(_COLUMNS)
        await transaction.execute(f"DELETE FROM series_labels WHERE ({columns}) IN ({keys})", *args)


async def enter_all(engine: Engine) -> None:
    """Enter series that are older than the index, in short steps; another call continues."""
    steps = Steps(engine, STEP * ROW_BYTES)

    async def work(transaction: Transaction) -> int:
        # Until the commit, no other process removes a series or does this.
        ((unlabelled,),) = await transaction.fetch(
            'UPDATE series_version SET series = series WHERE "only" = 1 RETURNING unlabelled'
        )
        series = await transaction.fetch(
            "SELECT id, metric_type, name, labels FROM series WHERE id <= $1 "
            "ORDER BY id DESC LIMIT $2",
            unlabelled,
            max(1, steps.size // ROW_BYTES),
        )
        await add_labels(transaction, series)
        left = series[-1][0] - 1 if series else 0
        await transaction.execute(
            'UPDATE series_version SET unlabelled = $1 WHERE "only" = 1', left
        )
        return int(left)

    while not await complete(engine):
        await steps.run(work, steps.size)


async def complete(engine: Engine) -> bool:
    """Whether all series are entered."""
    ((unlabelled,),) = await engine.fetch('SELECT unlabelled FROM series_version WHERE "only" = 1')
    return not unlabelled


async def with_labels(
    engine: Engine,
    columns: str,
    labels: Mapping[str, str],
    limit: int,
    metric_type: str | None = None,
    name: str | None = None,
    after: tuple[str, str, int] | None = None,
) -> Sequence[Row]:
    """The first series that have all of these labels (at least one), in the order of the listings.

    Args:
        engine: where they are stored.
        columns: what to select from `series` and `series_spans`.
        labels: the labels.
        limit: how many series.
        metric_type: their type.
        name: their name.
        after: type, name and number of the series that they follow.
    """
    pairs = sorted(labels.items())
    if len(pairs) > 1:
        pairs = await _rarest_first(engine, pairs, metric_type, name)
    where = _where(pairs[0], metric_type, name)
    if after is not None and metric_type is None:
        where.add("(l.metric_type, l.name, l.series_id) > ({}, {}, {})", *after)
    elif after is not None and name is None:
        where.add("(l.name, l.series_id) > ({}, {})", *after[1:])
    elif after is not None:
        where.add("l.series_id > {}", after[2])
    for pair in pairs[1:]:
        # Not EXISTS, which PostgreSQL may turn into a join that reads all series with the label.
        where.add(
            "1 = (SELECT 1 FROM series_labels o WHERE o.label_key = {} AND o.label_value = {} "
            "AND o.metric_type = l.metric_type AND o.name = l.name AND o.series_id = l.series_id)",
            *pair,
        )
    # SQLite reads the tables of a CROSS JOIN in this order.
    return await engine.fetch(
        f"SELECT {columns} FROM series_labels l CROSS JOIN series s CROSS JOIN series_spans "
        f"{where} AND s.id = l.series_id AND series_spans.series_id = l.series_id "
        "ORDER BY l.metric_type, l.name, l.series_id "
        f"LIMIT {where.parameter(limit)}",
        *where.args,
    )


async def _rarest_first(
    engine: Engine, pairs: Sequence[tuple[str, str]], metric_type: str | None, name: str | None
) -> list[tuple[str, str]]:
    """The labels, those of the fewest series first."""
    counted = []
    for pair in pairs:
        where = _where(pair, metric_type, name)
        ((count,),) = await engine.fetch(
            f"SELECT count(*) FROM (SELECT 1 FROM series_labels l {where} LIMIT {RARE}) found",
            *where.args,
        )
        counted.append((count, pair))
        if count < RARE:
            break
    return [pair for _, pair in sorted(counted)] + [
        pair for pair in pairs if all(pair != known for _, known in counted)
    ]


def _where(pair: tuple[str, str], metric_type: str | None, name: str | None) -> Where:
    where = Where()
    where.add("l.label_key = {} AND l.label_value = {}", *pair)
    if metric_type is not None:
        where.add("l.metric_type = {}", metric_type)
    if name is not None:
        where.add("l.name = {}", name)
    return where


def _rows(series: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    return [
        (key, value, metric_type, name, number)
        for number, metric_type, name, labels in series
        for key, value in loads_stored(labels).items()
    ]
