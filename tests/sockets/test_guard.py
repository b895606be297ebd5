"""The look at clients' frames: what passes unchanged, and what ends the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.errors import FLOODING, PROTOCOL_ERROR, Close
from alphapulse_api.sockets.guard import FRAME_BURST, FrameGuard
from tests.socket_client import client_frame


class Inner(asyncio.Protocol):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data


def passed(
    pieces: Sequence[bytes], early: bytes = b"", pause: float = 0.0
) -> tuple[bytes, list[Close]]:
    """What gets through, and with what the socket was ended; `pause` seconds lie between pieces."""
    inner, closes = Inner(), list[Close]()
    now = 0.0
    guard = FrameGuard(inner, early, 30, lambda: now)
    guard.start(closes.append)
    for piece in pieces:
        guard.data_received(piece)
        now += pause
    return inner.data, closes


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return client_frame(code.to_bytes(2, "big") + reason, 0x88)


# A mask of zeros hides mistakes in unmasking.
MASKED_CLOSE = bytes((0x88, 0x82)) + b"\x12\x34\x56\x78" + bytes((0x03 ^ 0x12, 0xE8 ^ 0x34))

FINE = [
    client_frame(b""),
    client_frame(b"x" * 125),
    client_frame(b"x" * 126),
    client_frame(b"x" * 65_535),
    client_frame(b"x" * 65_536),
    client_frame(b"are you there", 0x89),
    client_frame(b"", 0x8A),
    client_frame(b"binary", 0x82),
    client_frame(b"x" * 600, 0x01) + client_frame(b"y" * 600, 0x00) + client_frame(b"", 0x80),
    client_frame(b"", 0x88),
    close_frame(1000),
    close_frame(1001, b"leaving"),
    close_frame(3000),
    close_frame(4999),
    MASKED_CLOSE,
]
BROKEN = {
    "unmasked": client_frame(b'{"type":"ping"}', masked=False),
    "unmasked and empty": client_frame(b"", masked=False),
    "unmasked ping": client_frame(b"x", 0x89, masked=False),
    "16 bits for 125": b"\x81\xfe\x00\x7d" + bytes(4) + b"x" * 125,
    "16 bits for 0": b"\x81\xfe\x00\x00" + bytes(4),
    "64 bits for 65535": b"\x81\xff" + (65_535).to_bytes(8, "big") + bytes(4),
    **{f"close {code}": close_frame(code) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)},
    "close 65535": close_frame(65_535),
}


@given(st.lists(st.sampled_from(FINE), max_size=8), st.data())
def test_good_frames_pass_in_whatever_pieces_they_come(
    frames: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(frames)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=12))
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(edges)]
    assert passed(pieces) == (whole, [])
    early, rest = whole[: edges[1]], whole[edges[1] :]
    assert passed([rest], early) == (rest, [])


@pytest.mark.parametrize("frame", BROKEN.values(), ids=BROKEN)
def test_a_frame_that_may_not_be_sent_ends_the_socket_once(frame: bytes) -> None:
    before, after = client_frame(b"before"), client_frame(b"after")
    assert passed([before, frame, after, frame]) == (before, [PROTOCOL_ERROR])
    # By the byte: what came of it before it was known for one has passed, and does nothing.
    data, closes = passed([bytes((byte,)) for byte in before + frame + after])
    assert closes == [PROTOCOL_ERROR]
    assert (before + frame).startswith(data)
    assert passed([after], early=frame) == (b"", [PROTOCOL_ERROR])


@pytest.mark.parametrize(
    "frame",
    [
        client_frame(b"", 0x89),
        client_frame(b"", 0x8A),
        client_frame(b"", 0x00),
        client_frame(b"x", 0x00),
    ],
)
def test_frames_that_are_no_messages_have_a_rate(frame: bytes) -> None:
    assert passed([frame * FRAME_BURST]) == (frame * FRAME_BURST, [])
    assert passed([frame * 1000]) == (b"", [FLOODING])
    assert passed([frame] * 1000) == (frame * FRAME_BURST, [FLOODING])
    slow = [frame] * 1000
    assert passed(slow, pause=0.1) == (frame * 1000, []), "ten a second are allowed"


def test_messages_and_large_fragments_are_not_counted_here() -> None:
    messages = client_frame(b"{}") * 1000
    large = client_frame(b"x" * 512, 0x00) * 1000
    assert passed([messages, large]) == (messages + large, [])
