"""No body of any caller holds the event loop for 10 ms, and none is answered at length."""

from __future__ import annotations

import asyncio
import gc
import gzip
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alphapulse_api.http.route_table import ROWS
from alphapulse_api.runtime.tuning import GC_THRESHOLDS, SWITCH_SECONDS
from tests.asking import TRADE, ask, places, problem
from tests.conftest import Server
from tests.hostile import Sender, hostile_requests, raw
from tests.lateness import Lateness

MEBI = 1024 * 1024
LONGEST = 0.010  # seconds
TRIES = 4  # a stall that the machine caused does not come again
GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
ROUTES = sorted(
    {f"{row.method} {row.path}" for row in ROWS if row.body or row.form or row.protocol}
)


@pytest.fixture
def as_served() -> Iterator[None]:
    """Threads take turns as in `serve`; the collector leaves alone what other tests left behind."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("route", ROUTES)
async def test_no_body_is_a_fault(server: Server, route: str, tmp_path: Path) -> None:
    caller = await server.login("admin")
    host, port = server.url.removeprefix("http://").split(":")
    with Sender(host, int(port), tmp_path) as sender:
        for request in hostile_requests(MEBI // 16, route):
            sender.prepare(raw(request, caller))
            assert await asyncio.to_thread(sender.send) < 500, request


@pytest.mark.stalls
@pytest.mark.usefixtures("as_served")
@pytest.mark.parametrize("route", ROUTES)
async def test_no_body_holds_the_loop(server: Server, route: str, tmp_path: Path) -> None:
    caller = await server.login("admin")
    host, port = server.url.removeprefix("http://").split(":")
    late = {}
    with Sender(host, int(port), tmp_path) as sender:
        for request in hostile_requests(MEBI // 2, route):
            sender.prepare(raw(request, caller))
            stalls = []
            while len(stalls) < TRIES and (not stalls or stalls[-1] > LONGEST):
                async with Lateness() as lateness:
                    status = await asyncio.to_thread(sender.send)
                assert status != 500, request
                stalls.append(lateness.longest)
            if stalls[-1] > LONGEST:
                late[str(request)] = [f"{stall * 1e3:.1f} ms" for stall in stalls]
    assert not late


async def test_a_hundred_errors_are_named_and_the_rest_counted(server: Server) -> None:
    caller = await server.key("publish")
    unknown = {f"k{n}": 1 for n in range(40)}
    answer = await ask(server, "POST", "/api/trades", caller, json=[{**TRADE, **unknown}] * 1_000)
    content = problem(answer, 422)
    assert len(content["errors"]) == 100
    assert content["errors_omitted"] == 39_900
    assert content["detail"] == "/0/k0: Unknown field. (and 39999 more)"
    assert len(answer.body) < 10_000
    answer = await ask(server, "POST", "/api/alerts", caller, json={"k" * 100_000: 1, "title": "a"})
    (place,) = places(answer)
    assert len(place) == 200


async def test_a_small_bomb_is_refused_before_it_is_checked(server: Server) -> None:
    """300,000 empty positions in 953 bytes."""
    caller = await server.key("publish")
    text = b'{"total_value": 1, "cash": 1, "positions": [%b{}]}' % (b"{}," * 299_999)
    packed = gzip.compress(text, 9)
    assert len(packed) < 1_000
    answer = await ask(server, "PUT", "/api/portfolio", caller, data=packed, headers=GZIP)
    assert problem(answer, 422)["errors"] == [
        {"pointer": "", "detail": "An array may have at most 10000 elements."}
    ]
    assert len(answer.body) < 500


async def test_what_inflates_too_far_is_refused(server: Server) -> None:
    caller = await server.key("publish")
    packed = gzip.compress(
        json.dumps([{**TRADE, "metadata": {"note": "a" * 1_500}}] * 1_000).encode(), 9
    )
    answer = await ask(server, "POST", "/api/trades", caller, data=packed, headers=GZIP)
    assert "200 times" in problem(answer, 413)["detail"]


async def test_a_large_body_is_stored_to_the_digit(server: Server) -> None:
    caller = await server.key("publish")
    trades = [
        {**TRADE, "id": f"t{n}", "price": f"{n}.{n:020}", "metadata": {"note": "},{" * n}}
        for n in range(1_000)
    ]
    text = json.dumps(trades).encode()
    assert len(text) > 1.5 * MEBI
    kind = {"Content-Type": "application/json"}
    answer = await ask(server, "POST", "/api/trades", caller, data=io.BytesIO(text), headers=kind)
    assert (answer.status, answer.json) == (201, {"accepted": 1_000})
    for n in (0, 500, 999):
        stored = await server.json(f"/api/trades/t{n}", caller)
        assert (stored["price"], stored["metadata"]) == (
            trades[n]["price"],
            {"note": "},{" * n},
        )
