"""Request bodies: read in pieces, bounded before and after decompression."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from aiohttp import hdrs, web

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.errors import (
    BAD_REQUEST,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    Problem,
    ValidationProblem,
)
from alphapulse_api.http.inflating import INFLATED, INPUT_BYTES, Inflater, coding_named
from alphapulse_api.http.json_body import JsonBody
from alphapulse_api.http.route import Row

MAX_BODY_BYTES: Final = 16 * 1024 * 1024  # 10000 records of 1.6 KiB
IDENTITY: Final = "identity"
CODINGS: Final = (IDENTITY, *INFLATED)
MAX_SHOWN: Final = 100  # characters of a caller's own text in an error
JSON: Final = "application/json"
PIECE_BYTES: Final = 32 * 1024
# JSON and CSV of metric points shrink to about a twentieth; a decompression bomb to a thousandth.
MAX_RATIO: Final = 200
ANY_RATIO_BYTES: Final = 1024 * 1024  # a body up to this size may have any ratio


class BodyReader:
    """The pieces of one request's body, decompressed.

    aiohttp stops reading from the socket when 64 KiB wait here.

    Args:
        request: the request.
        limit: the maximum size of the decompressed body in bytes; None: no maximum.
        coding: the only coding that is accepted, which the caller decodes; None: those that are
            decoded here.

    Raises:
        Problem: 413 if its Content-Length is too large, 415 for a coding that is not accepted.
    """

    def __init__(
        self, request: web.Request, limit: int | None = MAX_BODY_BYTES, coding: str | None = None
    ) -> None:
        self._content = request.content
        self._slices = request.app[BACKEND].slices
        self._inflater = _inflater(request, CODINGS if coding is None else (coding,))
        self._limit = limit
        self._size = 0
        if limit is not None and (request.content_length or 0) > limit:
            raise self._too_large()

    async def piece(self) -> tuple[bytes, bool]:
        """The next piece, of 32 KiB unless it is the last; and whether it is the last.

        Raises:
            Problem: 400 if the body is wrongly encoded or ends early, 413 if it is too large or has
                more than 200 times its compressed size.
        """
        parts: list[bytes] = []
        size = 0
        read = self._read if self._inflater is None else self._inflated
        try:
            while size < PIECE_BYTES:
                part = await read(PIECE_BYTES - size)
                if not part:
                    break
                parts.append(part)
                size += len(part)
        except web.RequestPayloadError:
            raise Problem(BAD_REQUEST, "The body is wrongly encoded or ended early.") from None
        self._size += size
        if self._limit is not None and self._size > self._limit:
            raise self._too_large()
        inflated = self._size > ANY_RATIO_BYTES
        if inflated and self._size > MAX_RATIO * self._content.total_raw_bytes:
            detail = f"A body may inflate to at most {MAX_RATIO} times its size."
            raise Problem(TOO_LARGE, detail)
        return b"".join(parts), size < PIECE_BYTES

    async def _read(self, most: int) -> bytes:
        return await self._content.read(most)

    async def _inflated(self, most: int) -> bytes:
        """Some bytes of the decompressed body; none at its end."""
        inflater = self._inflater
        assert inflater is not None
        while not (part := await self._slices.run(inflater.inflate(most))):
            data = await self._content.read(INPUT_BYTES)
            if not data:
                inflater.end()
                break
            # Empty streams may follow one another for ever.
            if self._limit is not None and self._content.total_raw_bytes > self._limit:
                raise self._too_large()
            inflater.feed(data)
        return part

    def _too_large(self) -> Problem:
        return Problem(TOO_LARGE, f"A body may have at most {self._limit} bytes.")


def _inflater(request: web.Request, accepted: Collection[str]) -> Inflater | None:
    """What decompresses a request's body; None if it is not compressed, or not here."""
    first, *more = request.headers.getall(hdrs.CONTENT_ENCODING, (IDENTITY,))
    coding = coding_named(first) or IDENTITY
    if more or coding not in accepted:
        raise _unknown_coding(accepted)
    if coding not in INFLATED or not request.body_exists:
        return None
    # The server of a host that mounts the application has decompressed the body.
    if request.content.total_compressed_bytes is not None:
        return None
    return Inflater(coding)


def _unknown_coding(accepted: Collection[str]) -> Problem:
    """The refusal of a body in a content coding that is not accepted (RFC 9110, 15.5.16)."""
    known = ", ".join(accepted)
    detail = f"The Content-Encoding must be one of: {known}."
    return Problem(UNSUPPORTED_MEDIA, detail, headers={hdrs.ACCEPT_ENCODING: known})


async def read_body(request: web.Request, limit: int, coding: str | None = None) -> bytes:
    """The whole of a body that is small.

    Raises:
        Problem: as `BodyReader` and `BodyReader.piece`.
    """
    reader = BodyReader(request, limit, coding)
    parts: list[bytes] = []
    last = False
    while not last:
        piece, last = await reader.piece()
        parts.append(piece)
    return b"".join(parts)


async def read_json(request: web.Request, row: Row, others: Iterable[str] = ()) -> Any:
    """The object or array in the body.

    Args:
        request: the request.
        row: the route.
        others: the media types that the route accepts in addition to JSON.

    Raises:
        Problem: 400, 413, 415 or 422.
    """
    reader = BodyReader(request)
    is_json = request.content_type == JSON
    slices = request.app[BACKEND].slices
    body = JsonBody(row.loads, array=row.body_may_be_array or row.body_is_array)
    last = False
    while not last:
        piece, last = await reader.piece()
        if is_json or not piece:
            await slices.run(body.feed(piece))
        else:
            raise unsupported(request, (JSON, *others))
    if body.empty and row.body_may_be_absent:
        return {}
    if not is_json:
        raise unsupported(request, (JSON, *others))
    value = await slices.run(body.end())
    if value is None and row.body_may_be_absent:
        return {}
    kinds: tuple[type, ...]
    if row.body_is_array:
        kinds, wanted = (list,), "an array of objects"
    elif row.body_may_be_array:
        kinds, wanted = (list, dict), "an object or an array of objects"
    else:
        kinds, wanted = (dict,), "an object"
    if isinstance(value, kinds):
        return value
    raise ValidationProblem([{"pointer": "", "detail": f"The body must be {wanted}."}])


def unsupported(request: web.Request, media_types: Iterable[str]) -> Problem:
    """The refusal of a body whose media type is none of these."""
    taken = ", ".join(media_types)
    if hdrs.CONTENT_TYPE not in request.headers:
        detail = f"The Content-Type header is missing; it must name one of: {taken}."
        return Problem(UNSUPPORTED_MEDIA, detail)
    given = request.content_type[:MAX_SHOWN]
    return Problem(UNSUPPORTED_MEDIA, f"The body is {given}; it must be one of: {taken}.")
