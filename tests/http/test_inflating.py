"""Decoding bodies: everything that was sent, to the end of the stream, in bounded pieces."""

from __future__ import annotations

import random
from itertools import count

import pytest

from alphapulse_api.domain.errors import Problem
from alphapulse_api.http.inflating import INPUT_BYTES, Inflater, coding_named
from alphapulse_api.http.zstd import zstd
from alphapulse_api.runtime.slices import finish
from tests.codings import CODINGS, packed

MEBI = 1024 * 1024
TEXT = random.Random(7).randbytes(3_000) + b"a,b\n" * 20_000
coding = pytest.mark.parametrize("coding", CODINGS)
many = pytest.mark.parametrize("coding", ["gzip", "zstd"])


def _inflated(data: bytes, coding: str, most: int = 32 * 1024, step: int = INPUT_BYTES) -> bytes:
    """What comes out, in pieces of `most` bytes, when `step` bytes go in at a time."""
    inflater = Inflater(coding_named(CODINGS[coding]))
    parts = []
    for start in range(0, len(data), step):
        inflater.feed(data[start : start + step])
        part = b"a" * most
        while len(part) == most:
            part = finish(inflater.inflate(most))
            assert len(part) <= most
            parts.append(part)
    inflater.end()
    return b"".join(parts)


@coding
@pytest.mark.parametrize(("most", "step"), [(32 * 1024, INPUT_BYTES), (1_000, 1), (7, 999)])
def test_what_was_coded_comes_out(coding: str, most: int, step: int) -> None:
    assert _inflated(packed(TEXT, coding), coding, most, step) == TEXT
    assert _inflated(packed(b"", coding), coding, most, step) == b""


@coding
def test_a_stream_that_is_cut_anywhere_is_refused(coding: str) -> None:
    data = packed(b"quantity,price\n1.5,2\n" * 3, coding)
    for end in range(len(data)):
        with pytest.raises(Problem, match="cut short") as caught:
            _inflated(data[:end], coding)
        assert caught.value.kind.status == 400


@many
def test_streams_may_follow_one_another(coding: str) -> None:
    streams = [packed(text, coding) for text in (b"", TEXT, b"", b"b" * MEBI, b"c")]
    for step in (1, 50, INPUT_BYTES):
        assert _inflated(b"".join(streams), coding, step=step) == TEXT + b"b" * MEBI + b"c"
    for last in (streams[4][:-1], streams[4][:5]):
        with pytest.raises(Problem, match="cut short"):
            _inflated(streams[1] + last, coding)
    assert _inflated(packed(b"", coding) * 1_000, coding) == b""


@coding
@pytest.mark.parametrize("most", [len(TEXT), 1_000])
def test_what_follows_the_end_is_refused(coding: str, most: int) -> None:
    for more in (b"and more", bytes(8)):
        with pytest.raises(Problem, match="goes on after the end"):
            _inflated(packed(TEXT, coding) + more, coding, most)


@coding
def test_what_is_not_what_it_says_is_refused(coding: str) -> None:
    with pytest.raises(Problem, match=f"must be {coding_named(CODINGS[coding])}, as"):
        _inflated(b"[" + TEXT, coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_wrong_checksum_is_refused(coding: str) -> None:
    data = packed(TEXT, coding)
    with pytest.raises(Problem, match="must be"):
        _inflated(data[:-5] + bytes([data[-5] ^ 255]) + data[-4:], coding)


def test_the_window_of_zstd_is_bounded() -> None:
    """RFC 9659: a client may use 8 MiB; a head of a few bytes could ask for 2 GiB."""
    assert zstd is not None
    window = zstd.CompressionParameter.window_log
    for log in count(22):
        stream = zstd.ZstdCompressor(
            options={window: log, zstd.CompressionParameter.checksum_flag: 1}
        )
        data = stream.compress(TEXT, stream.FLUSH_BLOCK) + stream.flush()
        if log > 23:
            break
        assert _inflated(data, "zstd") == TEXT
    with pytest.raises(Problem, match="window of at most 8 MiB"):
        _inflated(data, "zstd")
