"""Portfolio events as changes of the positions that a client already has."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.holdings import STEP, Holding, Holdings, Steps, assembly
from alphapulse_api.log.base import Event

TYPE: Final = "portfolio_changes"


class Change(Event):
    """A portfolio event that may be sent without the positions that did not change.

    Attributes:
        base: the positions that a client must have to use `text`; None if `text` is the key frame.
        holdings: the positions that a client has after the event; None if they are unknown.
    """

    __slots__ = ("_changes", "_whole", "base", "holdings")

    def __init__(
        self,
        whole: Event,
        holdings: Holdings | None,
        base: Holdings | None = None,
        changes: bytes = b"",
    ) -> None:
        super().__init__(whole.channel, whole.offset, whole.cursor, None, b"")
        self._whole = whole
        self.base = base
        self.holdings = holdings
        self._changes = changes

    @property
    def whole(self) -> Event:
        """The event with all positions, which is a key frame."""
        return self._whole

    @property
    def data(self) -> Mapping[str, Any]:
        """The whole portfolio."""
        return self._whole.data

    @property
    def json(self) -> bytes:
        """The JSON of `data`."""
        return self._whole.json

    @property
    def text(self) -> bytes:
        """The complete JSON message, as UTF-8."""
        return self._whole.text if self.base is None else self._changes


def compared(event: Event, base: Holdings | None, skipped: int) -> Steps[Change]:
    """Compare a portfolio event with the positions before it, in steps.

    Args:
        event: the event.
        base: the positions before it; None if they are unknown.
        skipped: how many events between the two are left out.
    """
    holdings = yield from _holdings(event.data)
    if base is None:
        return Change(event, holdings)
    positions, runs = yield from assembly(base, holdings)
    head: dict[str, Any] = {"type": TYPE, "channel": event.channel.name, "cursor": event.cursor}
    if skipped:
        head["skipped"] = skipped
    rest = {name: value for name, value in event.data.items() if name != "positions"}
    changes = b'%b,"data":%b,"runs":%b,"positions":[%b]}}' % (
        dumps(head)[:-1],
        dumps(rest)[:-1],
        dumps(runs),
        b",".join(positions),
    )
    if len(changes) >= len(event.text):
        return Change(event, holdings)
    return Change(event, holdings, base, changes)


def _holdings(portfolio: Mapping[str, Any]) -> Steps[Holdings]:
    positions = portfolio["positions"]
    if isinstance(positions, Holdings):
        return positions
    # It was read from a shared log, or from a host's own store.
    gathered = Holding(_decimal(portfolio["total_value"]) or Decimal(0))
    for number, position in enumerate(positions, 1):
        bare = {name: value for name, value in position.items() if name != "weight"}
        valued = {**bare, "value": _decimal(bare.get("value"))}
        gathered.add_weighted(valued, dumps(bare), position.get("weight"))
        if not number % STEP:
            yield
    return gathered.done()


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
