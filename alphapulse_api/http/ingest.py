"""Bodies of any length with one record per line, parsed, validated and stored in batches.

The body is read no faster than it is stored, so only one batch waits here. A batch is stored whole
or not at all. The batches before a refused one stay stored, and the refusal says how many records
they had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from alphapulse_api.backend import BACKEND, Backend
from alphapulse_api.domain.errors import UNSUPPORTED_MEDIA, Problem, Unavailable
from alphapulse_api.domain.histories import ContentIds
from alphapulse_api.http.body import BodyReader, unsupported
from alphapulse_api.http.codecs.formats import FORMATS
from alphapulse_api.http.codecs.records import CsvRecords, NdjsonRecords, Record, Records
from alphapulse_api.http.pipeline.auth import check_again
from alphapulse_api.http.route import Call, Row
from alphapulse_api.record.feed import MAX_BATCH
from alphapulse_api.runtime.slices import Steps, releasing

# The media types of line-oriented bodies.
LINED: Final[Mapping[str, type[Records]]] = {
    FORMATS["ndjson"]: NdjsonRecords,
    FORMATS["csv"]: CsvRecords,
}
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
MAX_PENDING: Final = MAX_BATCH  # undispatched events above which no batch is begun
# Bounds a batch of records other than points. A batch of points is a few columns; storing as many
# other records would hold the loop, because some steps take time in proportion to the batch.
MAX_RECORDS: Final = 2_000
STEP_RECORDS: Final = 16  # short ones parsed in one step
PENDING_SECONDS: Final = 0.005


async def ingest(request: web.Request, row: Row, call: Call) -> dict[str, int]:
    """Store the body's records by the row's handler, up to 10000 points or 2000 others at a time.

    Records of an imported history that have no ids get ids made of their content, so that sending
    the body again is a repeat.

    Returns:
        {"accepted": how many there were}; for an imported history also how many are `new`.

    Raises:
        Problem: what is wrong, with `accepted`; its errors point at the record, counted from 0 in
            the whole body, and name the line, counted from 1.
    """
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(UNSUPPORTED_MEDIA, f"Send UTF-8, not {request.charset}.")
    if request.content_type not in LINED:
        raise unsupported(request, LINED)
    assert row.body is not None
    records = LINED[request.content_type](row.body(), row.loads)
    backend = request.app[BACKEND]
    kind = _Batch if row.imports is None else _History
    batch = kind(row, call, backend)
    reader = BodyReader(request, limit=None)
    slices = call.slices
    last = False
    try:
        while not last:
            piece, last = await reader.piece()
            reading = records.feed(piece, last=last)
            while await slices.run(batch.fill(reading)):
                await batch.store()
            batch.bytes += len(piece)
        await batch.store(last=True)
    except BaseException as error:
        await batch.broken()
        if isinstance(error, Problem):
            raise batch.placed(error) from None
        raise
    return batch.result


class _Batch:
    """The records that wait to be stored together, and how many were stored before them."""

    def __init__(self, row: Row, call: Call, backend: Backend) -> None:
        self._backend = backend
        self._row = row
        self._call = call
        self._records: list[Any] = []
        self._lines: list[int] = []
        self._next: Record | None = None
        self.bytes = 0  # of the body since the last were stored
        self.accepted = 0

    @property
    def result(self) -> dict[str, int]:
        """The answer once everything is stored."""
        return {"accepted": self.accepted}

    def fill(self, records: Iterator[Record | None]) -> Steps[bool]:
        """Add records; returns whether there are more than fit."""
        add_line, add_record = self._lines.append, self._records.append
        most = MAX_BATCH if self._row.tag == "metrics" else MAX_RECORDS
        if self._next is not None:
            add_line(self._next[0])
            add_record(self._next[1])
            self._next = None
        room = most - len(self._records) if self.bytes < MAX_BATCH_BYTES else 0
        for record in records:
            if record is None:
                yield
                continue
            if room <= 0 and self._records:
                self._next = record
                return True
            add_line(record[0])
            add_record(record[1])
            room -= 1
            if room % STEP_RECORDS == 0:
                yield
        return False

    async def store(self, *, last: bool = False) -> None:
        """Store the records that wait, if any do."""
        if not self._records:
            return
        check_again(self._backend, self._call.caller)
        await self._stored(last)
        self.accepted += len(self._records)
        await self._call.slices.run(releasing(self._records))
        self._lines.clear()
        self.bytes = 0
        # A store may be faster than the fan-out, and events would queue without a bound.
        fanout = self._backend.connections.fanout
        while fanout.pending > MAX_PENDING:  # noqa: ASYNC110 (the fan-out signals no one)
            await asyncio.sleep(PENDING_SECONDS)

    async def _stored(self, last: bool) -> None:
        assert self._row.handler is not None
        await self._row.handler(replace(self._call, body=self._records))

    async def broken(self) -> None:
        """Called when an error ends the body early."""

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
        if "line" in error or not steps or not steps[0].isdigit():  # about no record
            return dict(error)
        index = int(steps[0])
        pointer = "/".join(("", str(self.accepted + index), *steps[1:]))
        return {**error, "pointer": pointer, "line": self._lines[index]}


class _History(_Batch):
    """The same for an imported history; subscribers read again after the last batch."""

    def __init__(self, row: Row, call: Call, backend: Backend) -> None:
        super().__init__(row, call, backend)
        self._ids: ContentIds | None = None
        if row.body is not None and "id" in row.body().fields:
            self._ids = ContentIds(call.path.get("id", ""))
        self._new = 0

    @property
    def result(self) -> dict[str, int]:
        return {"accepted": self.accepted, "new": self._new}

    async def _stored(self, last: bool) -> None:
        assert self._row.imports is not None
        if self._ids is not None:
            self._records[:] = await self._call.slices.run(self._identifying(self._ids))
        self._new += await self._row.imports(self._call, self._records, last)

    def _identifying(self, ids: ContentIds) -> Steps[list[Any]]:
        identified = []
        for number, record in enumerate(self._records):
            identified.append(ids.identified(record))
            if number % STEP_RECORDS == 0:
                yield
        return identified

    async def broken(self) -> None:
        if self.accepted:
            with suppress(Unavailable):  # sending the body again makes up for it
                await self._call.view.feed.end_import(self._row.tag)
