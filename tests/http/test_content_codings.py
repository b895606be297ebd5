"""Content codings: which one a header asks for, and bodies that come out as they went in."""

from __future__ import annotations

import gzip
import zlib

import pytest
from aiohttp.compression_utils import ZSTDDecompressor

from alphapulse_api.domain.errors import Problem
from alphapulse_api.http.compression import PLAIN, Coding, coding_of, compressed, compressor


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, PLAIN),
        ("", PLAIN),
        ("br", PLAIN),
        ("identity", PLAIN),
        ("gzip", Coding("gzip")),
        ("GZip", Coding("gzip")),
        ("x-gzip", Coding("gzip")),
        ("gzip, deflate", Coding("gzip")),
        ("gzip, deflate, br, zstd", Coding("zstd")),
        ("gzip;q=1.0, zstd;q=0.5", Coding("gzip")),
        ("gzip;q=0.5, zstd;q=0.500", Coding("zstd")),
        ("gzip;q=0", PLAIN),
        ("gzip; q = 0.001", Coding("gzip")),
        ("zstd;q=0, *", Coding("gzip")),
        ("*", Coding("zstd")),
        ("*;q=0.1, gzip", Coding("gzip")),
        ("identity, gzip", Coding("gzip")),
        ("identity;q=0.5, gzip;q=0.4", PLAIN),
        ("identity;q=0.5, gzip", Coding("gzip")),
        ("gzip, identity;q=0", Coding("gzip", always=True)),
        ("gzip, *;q=0", Coding("gzip", always=True)),
        ("*;q=0, identity", PLAIN),
        ("*, identity;q=0", Coding("zstd", always=True)),
        ("gzip;q=nonsense", Coding("gzip")),
        (";;,=,", PLAIN),
    ],
)
def test_the_header_is_weighed(header: str | None, expected: Coding) -> None:
    assert coding_of(header) == expected


@pytest.mark.parametrize(
    "header", ["identity;q=0", "*;q=0", "br, *;q=0", "gzip;q=0, zstd;q=0, *;q=0"]
)
def test_refusing_every_coding_lists_what_there_is(header: str) -> None:
    with pytest.raises(Problem) as caught:
        coding_of(header)
    assert (caught.value.kind.status, caught.value.detail) == (406, "Accept zstd, gzip, identity.")


def test_small_bodies_stay_as_they_are_unless_that_is_refused() -> None:
    assert not Coding("gzip").applies(1024)
    assert Coding("gzip").applies(1025)
    assert Coding("gzip", always=True).applies(0)
    assert not PLAIN.applies(10**9)


def _decompressed(data: bytes, name: str) -> bytes:
    return gzip.decompress(data) if name == "gzip" else ZSTDDecompressor().decompress_sync(data)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [0, 1, 2_000, 300_000])
async def test_a_body_comes_out_as_it_went_in(name: str, size: int) -> None:
    body = bytes(n * n % 251 for n in range(1_000)) * (size // 1_000) + b"x" * (size % 1_000)
    coded = await compressed(body, name)
    assert _decompressed(coded, name) == body
    # An answer's bytes are its ETag: the same body is always coded alike.
    assert coded == await compressed(body, name)
    assert len(coded) < max(size, 40)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_each_piece_can_be_read_when_it_has_come(name: str) -> None:
    stream = compressor(name)
    gunzip, unzstd = zlib.decompressobj(31), ZSTDDecompressor()
    for piece in (b"first\n", b"second\n" * 1000):
        coded = stream.piece(piece)
        seen = gunzip.decompress(coded) if name == "gzip" else unzstd.decompress_sync(coded)
        assert seen == piece
    assert stream.end()
