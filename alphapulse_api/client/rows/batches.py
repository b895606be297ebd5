"""The types of the results of batches."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

OnError = Literal["stop", "continue"]


class ItemResult(TypedDict):
    """The result of one record of a batch."""

    status: Literal[200, 201, 404, 409, 422]
    id: NotRequired[str]
    error: NotRequired[str]


class BatchResult(TypedDict):
    """The result of a batch; `results` has one entry per record, in order."""

    accepted: int
    refused: int
    results: list[ItemResult]
