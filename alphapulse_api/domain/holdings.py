"""The positions of one snapshot, each encoded once: for the store, the answer and the event.

The weight of a position changes with every other position. So a weight that equals the computed
share of the total is not stored, and a position that did not change has the same JSON as before.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

import orjson

from alphapulse_api.domain.derived import share
from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.positions import Key, keys_of
from alphapulse_api.domain.times import parse

T = TypeVar("T")
Steps = Generator[None, None, T]

DECIMALS: Final = (
    "quantity", "entry_price", "current_price", "value", "unrealized_pnl", "realized_pnl",
)  # fmt: skip
STEP: Final = 25  # positions between two pauses, a tenth of a millisecond
ASSEMBLY_STEP: Final = 250
_WEIGHT: Final = b',"weight":'  # it is not in a string, whose quotes are escaped


class Holdings(list[dict[str, Any]]):
    """The positions of a snapshot, and their JSON; none of it may be changed.

    Attributes:
        stored: the JSON of each, by key, without a weight that is the share of the total.
        json: the JSON array of all, with their weights.
    """

    __slots__ = ("json", "stored")

    def __init__(
        self, positions: Iterable[dict[str, Any]], stored: Mapping[Key, bytes], json: bytes
    ) -> None:
        super().__init__(positions)
        self.stored = stored
        self.json = json


class Holding:
    """Gathers the positions of one snapshot.

    Args:
        total_value: of the snapshot.
    """

    __slots__ = ("_positions", "_shown", "_stored", "_total_value")

    def __init__(self, total_value: Decimal) -> None:
        self._total_value = total_value
        self._positions: list[dict[str, Any]] = []
        self._stored: list[bytes] = []
        self._shown: list[bytes] = []

    def add(self, bare: Mapping[str, Any], text: bytes) -> None:
        """Add a position whose weight is its share of the total; the arguments lack the weight."""
        self._add(bare, text, share(bare.get("value"), self._total_value), implied=True)

    def add_weighted(self, bare: Mapping[str, Any], text: bytes, weight: float | None) -> None:
        """Add a position that was sent with a weight; `bare` and `text` lack it."""
        implied = weight == share(bare.get("value"), self._total_value)
        self._add(bare, text, weight, implied=implied)

    def done(self) -> Holdings:
        """All added positions."""
        stored = dict(zip(keys_of(self._positions), self._stored, strict=True))
        return Holdings(self._positions, stored, b"[%b]" % b",".join(self._shown))

    def _add(
        self, bare: Mapping[str, Any], text: bytes, weight: float | None, *, implied: bool
    ) -> None:
        shown = with_weight(text, weight)
        self._positions.append({**bare, "weight": weight})
        self._stored.append(text if implied else shown)
        self._shown.append(shown)


def holding(positions: Iterable[Mapping[str, Any]], total_value: Decimal) -> Steps[Holdings]:
    """The holdings of positions that have their derived values, in steps."""
    gathered = Holding(total_value)
    for number, position in enumerate(positions, 1):
        bare = {name: value for name, value in position.items() if name != "weight"}
        gathered.add_weighted(bare, dumps(bare), position.get("weight"))
        if not number % STEP:
            yield
    return gathered.done()


def held(stored: Mapping[Key, bytes], total_value: Decimal) -> Steps[Holdings]:
    """The holdings of the stored positions of a snapshot, in steps."""
    positions: list[dict[str, Any]] = []
    shown: list[bytes] = []
    for number, text in enumerate(stored.values(), 1):
        position = _decoded(text)
        if "weight" in position:
            shown.append(text)
        else:
            position["weight"] = share(position.get("value"), total_value)
            shown.append(with_weight(text, position["weight"]))
        positions.append(position)
        if not number % STEP:
            yield
    return Holdings(positions, stored, b"[%b]" % b",".join(shown))


def position_of(text: bytes, total_value: Decimal) -> dict[str, Any]:
    """A stored position of a snapshot with that total."""
    position = _decoded(text)
    if "weight" not in position:
        position["weight"] = share(position.get("value"), total_value)
    return position


def _decoded(text: bytes) -> dict[str, Any]:
    position: dict[str, Any] = loads_stored(text)
    for name in DECIMALS:
        if position.get(name) is not None:
            position[name] = Decimal(position[name])
    if position.get("opened_at") is not None:
        position["opened_at"] = parse(position["opened_at"])
    return position


def assembly(before: Holdings, after: Holdings) -> Steps[tuple[list[bytes], list[list[int]]]]:
    """How the positions of one snapshot follow from those of another, in steps.

    Returns:
        The JSON of the positions that are new, changed, or have a weight that is not their share of
        the total; and runs, each a start and a length, of the list that has all positions of
        `before` and then those. The runs, put together, are the positions of `after`.
    """
    places = {key: place for place, key in enumerate(before.stored)}
    new: list[bytes] = []
    runs: list[list[int]] = []
    end = -1  # of the last run
    for number, (key, text) in enumerate(after.stored.items()):
        weighted = _WEIGHT in text
        if not weighted and before.stored.get(key) == text:
            place = places[key]
        else:
            place = len(before) + len(new)
            new.append(text if weighted else with_weight(text, after[number]["weight"]))
        if place == end:
            runs[-1][1] += 1
        else:
            runs.append([place, 1])
        end = place + 1
        if not number % ASSEMBLY_STEP:
            yield
    return new, runs


def with_weight(text: bytes, weight: float | None) -> bytes:
    """Add a weight to the JSON of a position that has none."""
    return b'%b,"weight":%b}' % (text[:-1], orjson.dumps(weight))
