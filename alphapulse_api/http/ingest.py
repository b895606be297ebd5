"""Bodies of any length with one record a line, parsed, validated and stored in batches.

The body is read no faster than it is stored, so what waits is one batch, and the rest is with the
caller. A batch is stored whole or not at all; what was stored of the batches before stays, and a
refusal says how many records that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from alphapulse_api.domain.errors import UNSUPPORTED_MEDIA, Problem
from alphapulse_api.http.body import BodyReader
from alphapulse_api.http.codecs.formats import FORMATS
from alphapulse_api.http.codecs.records import CsvRecords, NdjsonRecords, Record, Records
from alphapulse_api.http.route import Call, Row
from alphapulse_api.record.feed import MAX_BATCH
from alphapulse_api.runtime.slices import Steps, releasing
from alphapulse_api.schemas.metrics import MetricPointRequest

# The media types of a body in lines.
LINED: Final[Mapping[str, type[Records]]] = {
    FORMATS["ndjson"]: NdjsonRecords,
    FORMATS["csv"]: CsvRecords,
}
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
MAX_PENDING: Final = MAX_BATCH  # events not yet dispatched, above which no batch is begun
# Points of a batch are a few columns. Storing as many other records would hold the loop: some steps
# take time in proportion to the batch.
MAX_RECORDS: Final = 2_000
STEP_RECORDS: Final = 16  # short ones parsed in one step
PENDING_SECONDS: Final = 0.005


async def ingest(request: web.Request, row: Row, call: Call) -> dict[str, int]:
    """Store the body's records by the row's handler, up to 10000 points or 2000 others at a time.

    Returns:
        {"accepted": how many there were}.

    Raises:
        Problem: what is wrong, with `accepted`; its errors point at the record, counted from 0 in
            the whole body, and name the line, counted from 1.
    """
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(UNSUPPORTED_MEDIA, f"Send UTF-8, not {request.charset}.")
    assert row.body is not None
    records = LINED[request.content_type](row.body(), row.loads)
    batch = _Batch(row, call)
    reader = BodyReader(request, limit=None)
    slices = call.backend.slices
    last = False
    try:
        while not last:
            piece, last = await reader.piece()
            reading = records.feed(piece, last=last)
            while await slices.run(batch.fill(reading)):
                await batch.store()
            batch.bytes += len(piece)
        await batch.store()
    except Problem as problem:
        raise batch.placed(problem) from None
    return {"accepted": batch.accepted}


class _Batch:
    """The records that wait to be stored together, and how many were stored before them."""

    def __init__(self, row: Row, call: Call) -> None:
        self._row = row
        self._call = call
        self._records: list[Any] = []
        self._lines: list[int] = []
        self.bytes = 0  # of the body since the last were stored
        self.accepted = 0

    def fill(self, records: Iterator[Record | None]) -> Steps[bool]:
        """Add records; returns whether the batch was full before they ended."""
        add_line, add_record = self._lines.append, self._records.append
        most = MAX_BATCH if self._row.body is MetricPointRequest else MAX_RECORDS
        room = most - len(self._records) if self.bytes < MAX_BATCH_BYTES else 1
        for record in records:
            if record is None:
                yield
                continue
            add_line(record[0])
            add_record(record[1])
            room -= 1
            if room <= 0:
                return True
            if room % STEP_RECORDS == 0:
                yield
        return False

    async def store(self) -> None:
        """Store what waits, if anything does."""
        if not self._records:
            return
        assert self._row.handler is not None
        await self._row.handler(replace(self._call, body=self._records))
        self.accepted += len(self._records)
        await self._call.backend.slices.run(releasing(self._records))
        self._lines.clear()
        self.bytes = 0
        # A store may be faster than the fan-out: events would queue without a bound.
        fanout = self._call.backend.connections.fanout
        while fanout.pending > MAX_PENDING:  # noqa: ASYNC110 (the fan-out signals no one)
            await asyncio.sleep(PENDING_SECONDS)

    def placed(self, problem: Problem) -> Problem:
        """The problem with pointers into the whole body, and how many records were stored."""
        extra = {**problem.extra, "accepted": self.accepted}
        detail = problem.detail
        if errors := [self._placed(error) for error in problem.extra.get("errors", ())]:
            extra["errors"] = errors
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            line, first = errors[0].get("line"), errors[0]
            where = f"line {line}, {first['pointer']}" if line is not None else "body"
            detail = f"{where}: {first['detail']}{more}"
        return Problem(problem.kind, detail, headers=problem.headers, **extra)

    def _placed(self, error: Mapping[str, Any]) -> dict[str, Any]:
        _, *steps = error.get("pointer", "").split("/")
        if "line" in error or not steps:
            return dict(error)
        index = int(steps[0])
        pointer = "/".join(("", str(self.accepted + index), *steps[1:]))
        return {**error, "pointer": pointer, "line": self._lines[index]}
