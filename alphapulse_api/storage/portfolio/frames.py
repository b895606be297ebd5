"""The positions of snapshots: a key frame has all of them, each later frame what changed.

Frames follow each other in the order in which snapshots were received, whatever their times. So a
late snapshot, or one that replaces another, changes no frame on which others are built. A key and
the changes after it are deleted together, once no snapshot needs any of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.holdings import with_weight
from alphapulse_api.domain.positions import Changes, Key, applied, changes, keys_of
from alphapulse_api.storage.bulk import keys_as_rows
from alphapulse_api.storage.engine import Transaction

MOST_CHANGES: Final = 127  # frames after a key; reading the last one reads all of them
LEAST_BYTES: Final = 4096  # of positions; fewer are not worth a comparison
WHOLE: Final = 0  # the key of snapshots of older releases, whose positions lie in portfolio_whole
_SEPARATOR: Final = b",\n"  # no JSON text contains a newline
_POSITIONS: Final = '"positions":['

Stored = Mapping[Key, bytes]


class Place(NamedTuple):
    """Where the newest frame of a book is.

    Attributes:
        key: of its key frame.
        number: its number after the key frame; -1 if no frame may be built on it.
        token: changes with each frame.
        key_bytes: of the positions in the key frame.
        change_bytes: of the changes since.
    """

    key: int
    number: int
    token: str
    key_bytes: int
    change_bytes: int


class Content(NamedTuple):
    """The content of a frame.

    Attributes:
        positions: the JSON of each, as `Holdings.stored`.
        performance: JSON.
    """

    positions: Stored
    performance: str


class Frame(NamedTuple):
    """A frame to be stored, and whether it says the same as the one before it."""

    place: Place
    body: str
    performance: str
    repeats: bool


NOTHING: Final = Content({}, "{}")  # a snapshot with this content has no frame


def following(place: Place, before: Content, after: Content) -> Frame:
    """The frame after the newest one.

    Args:
        place: of the newest one.
        before: the content of the newest one.
        after: the content of the new frame.
    """
    token = secrets.token_hex(8)
    size = sum(map(len, after.positions.values()))
    repeats = place.number >= 0 and before.performance == after.performance
    if place.number < 0 or size < LEAST_BYTES:
        repeats = repeats and list(before.positions.items()) == list(after.positions.items())
    else:
        changed = changes(before.positions, after.positions)
        repeats = repeats and not len(changed)
        total = place.change_bytes + sum(map(len, changed.changed.values()))
        if place.number < MOST_CHANGES and total < place.key_bytes:
            body = _text_of(changed)
            total = place.change_bytes + len(body)
            there = Place(place.key, place.number + 1, token, place.key_bytes, total)
            return Frame(there, body, after.performance, repeats)
    text = _listed(after.positions.values())
    there = Place(place.key + 1, 0, token, len(text), 0)
    return Frame(there, text, after.performance, repeats)


def content_of(frames: Sequence[tuple[str, str]]) -> Content:
    """The content of the last of successive frames.

    Args:
        frames: the performance and the body of each, from the key frame on.
    """
    positions: Stored = {}
    for number, (_, body) in enumerate(frames):
        if number:
            positions = applied(positions, _changes_of(body))
        else:
            texts = _texts(body[1:-1])
            positions = dict(zip(keys_of(map(orjson.loads, texts)), texts, strict=True))
    return Content(positions, frames[-1][0])


def content_of_whole(performance: str, positions: str) -> Content:
    """The content of a snapshot of an older release, from its two columns."""
    records: list[dict[str, Any]] = loads_stored(positions)
    texts = []
    for record in records:
        weight = record.pop("weight", None)  # it is unknown whether the server computed it
        texts.append(with_weight(dumps(record), weight))
    return Content(dict(zip(keys_of(records), texts, strict=True)), performance)


def _text_of(changed: Changes[bytes]) -> str:
    head = dumps({"removed": changed.removed, "order": changed.order, "ranks": _ranks(changed)})
    return f"{head.decode()[:-1]},{_POSITIONS}{_listed(changed.changed.values())[1:]}}}"


def _ranks(changed: Changes[bytes]) -> list[int]:
    """The rank of each changed position; empty if all are 0."""
    ranks = [rank for _, _, rank in changed.changed]
    return ranks if any(ranks) else []


def _changes_of(body: str) -> Changes[bytes]:
    head, _, rest = body.partition(_POSITIONS)
    known = orjson.loads(f"{head[:-1]}}}")
    texts = _texts(rest[:-2])
    ranks = known["ranks"] or [0] * len(texts)
    keys: list[Key] = []
    for text, rank in zip(texts, ranks, strict=True):
        position = orjson.loads(text)
        keys.append((position["symbol"], position.get("side", "long"), rank))
    return Changes(
        dict(zip(keys, texts, strict=True)),
        [(symbol, side, rank) for symbol, side, rank in known["removed"]],
        [(start, length) for start, length in known["order"]],
    )


def _listed(texts: Iterable[bytes]) -> str:
    return f"[{_SEPARATOR.join(texts).decode()}]"


def _texts(text: str) -> list[bytes]:
    return text.encode().split(_SEPARATOR) if text else []


async def remove_unused(transaction: Transaction, book: str, keys: Iterable[int]) -> int:
    """Delete those frames with these keys that no snapshot needs any more; returns how many.

    Args:
        transaction: one that holds the lock of the book's row of portfolio_current.
        book: the book.
        keys: of key frames.
    """
    asked = sorted(set(keys) - {WHOLE})
    if not asked:
        return 0
    rows, args = keys_as_rows(transaction, ("bigint",), [(key,) for key in asked])
    mark = f"${len(args) + 1}"
    used = await transaction.fetch(
        "SELECT DISTINCT f.frame_key FROM portfolio_frames f JOIN portfolio_snapshots s "
        "ON s.book = f.book AND s.as_of = f.as_of AND s.frame_key = f.frame_key "
        "AND s.frame_number = f.frame_number "
        f"WHERE f.book = {mark} AND f.frame_key IN ({rows})",
        *args,
        book,
    )
    unused = sorted(set(asked) - {row[0] for row in used})
    if not unused:
        return 0
    rows, args = keys_as_rows(transaction, ("bigint",), [(key,) for key in unused])
    await transaction.execute(
        f"UPDATE portfolio_current SET frame_number = -1, frame_token = ${len(args) + 2} "
        f"WHERE book = {mark} AND frame_key IN ({rows})",
        *args,
        book,
        secrets.token_hex(8),
    )
    return await transaction.execute(
        f"DELETE FROM portfolio_frames WHERE book = {mark} AND frame_key IN ({rows})", *args, book
    )
