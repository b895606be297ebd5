"""Records are converted and checked in short steps, however long their lists are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pytest

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.host_objects import ROWS
from alphapulse_api.runtime.slices import finish
from alphapulse_api.schemas.loading import STEP_ITEMS, loading
from alphapulse_api.schemas.portfolio import PortfolioRequest

COUNT = 1000


@dataclass
class Snapshot:
    """A portfolio as a host's object."""

    total_value: float
    cash: float
    positions: Any


def position(number: int) -> dict[str, Any]:
    return {"symbol": f"S{number}", "quantity": 1}


class Counted:
    """Positions, made when they are taken; it counts those of one step."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number in range(COUNT):
            self.taken += 1
            yield position(number)


@pytest.mark.parametrize("record", [dict, Snapshot])
def test_positions_of_an_iterable_are_taken_in_steps(record: Callable[..., Any]) -> None:
    positions = Counted()
    most = 0
    steps = loading(PortfolioRequest(), record(total_value=1, cash=1, positions=positions))
    for _ in steps:
        most = max(most, positions.taken)
        positions.taken = 0
    assert 0 < most <= STEP_ITEMS


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_positions_of_a_frame_are_converted_in_parts(
    frame: Callable[[Iterable[Any]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []
    name = "to_dict" if frame is pd.DataFrame else "to_dicts"
    convert = getattr(frame, name)

    def counted(part: Any, *args: Any) -> Any:
        lengths.append(len(part))
        return convert(part, *args)

    monkeypatch.setattr(frame, name, counted)
    positions = frame([position(number) for number in range(COUNT)])
    record = {"total_value": 1, "cash": 1, "positions": positions}
    loaded = finish(loading(PortfolioRequest(), record))
    assert [p["symbol"] for p in loaded["positions"]] == [f"S{n}" for n in range(COUNT)]
    assert (sum(lengths), max(lengths)) == (COUNT, ROWS)


def test_positions_that_raise_when_they_are_read_are_refused_with_their_place() -> None:
    def failing() -> Iterator[Any]:
        yield position(1)
        raise LookupError("the source is gone")

    with pytest.raises(ValidationProblem) as raised:
        finish(loading(PortfolioRequest(), {"total_value": 1, "cash": 1, "positions": failing()}))
    error = {
        "pointer": "/positions",
        "detail": "The record cannot be read: LookupError: the source is gone",
    }
    assert raised.value.errors == [error]
