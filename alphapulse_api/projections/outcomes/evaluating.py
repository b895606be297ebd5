"""Computes one outcome from the recorded prices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

from alphapulse_api.domain.track_record.outcomes import SETTLED, WAIT, WINDOWS
from alphapulse_api.projections.outcomes.prices import PriceReader, RecordedPrice

Read = Callable[[Sequence[int]], Awaitable[list[RecordedPrice | None]]]


class Expected(NamedTuple):
    """A signal whose horizon has ended.

    Attributes:
        book: of the signal.
        signal_id: its id.
        symbol: of the signal.
        received_at: microseconds since the epoch.
        horizon: microseconds.
        check_at: as it is stored; a change of it means that the outcome must be computed again.
        priced: whether prices were found before.
    """

    book: str
    signal_id: str
    symbol: str
    received_at: int
    horizon: int
    check_at: int
    priced: bool


class Result(NamedTuple):
    """What was found; the attributes are the columns of the outcome."""

    check_at: int | None
    spans_from: int
    spans_until: int
    entry_at: int | None = None
    exit_at: int | None = None
    change: float | None = None
    rises: int = 0
    falls: int = 0
    windows: int = 0


async def evaluate(prices: PriceReader, expected: Expected, at: int) -> Result:
    """Compute an outcome.

    The entry is the first price at or after the receipt, the exit the first one at or after entry
    plus horizon. Prices are recorded ones, or those of trades where there is no recorded entry.
    Each is waited for four days, so that a market may be closed. The earlier windows end where the
    outcome begins; those without a price of their own do not count.

    Args:
        prices: of the symbol.
        expected: the signal.
        at: now, in microseconds since the epoch; later prices than a minute ago are waited for.
    """
    begin, length = expected.received_at, expected.horizon
    earliest = begin - WINDOWS * length
    read: Read = partial(prices.recorded, expected.book, expected.symbol)
    (entry,) = await read([begin])
    if entry is None or entry.at > begin + WAIT:
        read = partial(prices.traded, expected.book, expected.symbol)
        (entry,) = await read([begin])
    if entry is None or entry.at > begin + WAIT:
        return _without(expected, earliest, begin + WAIT, at)
    ends = entry.at + length
    starts = [entry.at - number * length for number in range(1, WINDOWS + 1)]
    found = await read([ends, *starts])
    leave, earlier = found[0], found[1:]
    if leave is None or leave.at > ends + WAIT or not entry.value:
        return _without(expected, starts[-1], ends + WAIT, at)
    if max(entry.at, leave.at) > at - SETTLED:
        return Result(leave.at + SETTLED, starts[-1], ends + WAIT)
    rises = falls = windows = 0
    after = entry
    for number, price in enumerate(earlier):
        if price is None or price.at >= starts[number] + length:
            continue
        # A gap before it makes the window longer than the horizon, which is another question.
        if after.at < starts[number] + 2 * length:
            windows += 1
            rises += after.value > price.value
            falls += after.value < price.value
        after = price
    change = (leave.value - entry.value) / abs(entry.value)
    return Result(None, starts[-1], leave.at, entry.at, leave.at, change, rises, falls, windows)


def _without(expected: Expected, earliest: int, until: int, at: int) -> Result:
    """Wait for a price, the longer the less often; for good if none can come in time."""
    if at > until + SETTLED:
        return Result(None, earliest, until)
    due = expected.received_at + expected.horizon
    pause = min(max(SETTLED, (at - due) // 8), 60 * SETTLED)
    return Result(at + pause, earliest, until)
