"""Batches whose records are accepted or refused one by one, and answered by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import Schema

from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.loading import Faults, Refusal, load_record

Refused = dict[int, Refusal]  # by position in the batch


def loading_each(
    schema: Schema, records: Sequence[Any], refused: Refused
) -> Steps[dict[int, dict[str, Any]]]:
    """The valid records, by position; `refused` is filled with the others."""
    loaded = {}
    for position, record in enumerate(records):
        faults = Faults()
        value = yield from load_record(schema, record, "", faults)
        if faults.count:
            refused[position] = Refusal.of(faults.problem())
        else:
            loaded[position] = value
        yield
    return loaded


def outcomes_of(
    positions: Sequence[int], stored: Sequence[tuple[Mapping[str, Any], bool]]
) -> Steps[dict[int, Mapping[str, Any]]]:
    """The results of the records that were stored, by position."""
    outcomes: dict[int, Mapping[str, Any]] = {}
    for position, (record, new) in zip(positions, stored, strict=True):
        outcome: dict[str, Any] = {"status": 201 if new else 200}
        if "id" in record:
            outcome["id"] = record["id"]
        outcomes[position] = outcome
        yield
    return outcomes


def result_of(
    count: int, refused: Mapping[int, Refusal], stored: Mapping[int, Mapping[str, Any]]
) -> Steps[dict[str, Any]]:
    """The answer to a batch.

    Args:
        count: of its records.
        refused: the reasons of the records that are not stored.
        stored: the results of the others.

    Returns:
        As `schemas.batches.BatchResult`.
    """
    results: list[Mapping[str, Any]] = []
    for position in range(count):
        if (refusal := refused.get(position)) is None:
            results.append(stored[position])
        else:
            results.append(refusal._asdict())
        yield
    return {"accepted": count - len(refused), "refused": len(refused), "results": results}
