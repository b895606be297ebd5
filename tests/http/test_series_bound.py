"""The bound of series over HTTP: every way in, the figures, and the alert before it is reached."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from alphapulse_api.config import DatabaseConfig
from alphapulse_api.record.series_watch import SeriesWatch
from tests.asking import POINT, ask, problem
from tests.conftest import Serve, Server

BOUND = 10


@pytest.fixture
async def bounded(serve: Serve, tmp_path: Path) -> Server:
    """A server with room for two more series."""
    server = await serve(
        database=DatabaseConfig(url=f"sqlite:///{tmp_path}/bound.db", max_series=BOUND)
    )
    await server.feed.record_metrics([{**POINT, "name": f"m{n}"} for n in range(BOUND - 2)])
    return server


def _points(*numbers: int) -> list[dict[str, object]]:
    return [{**POINT, "name": f"m{n}", "value": 7.0} for n in numbers]


async def _sevens(server: Server) -> list[str]:
    caller = await server.key()
    rows = await server.json(f"/api/metrics/{POINT['metric_type']}/latest", caller)
    return [row["name"] for row in rows if row["value"] == 7.0]


async def test_a_request_with_too_many_new_series_stores_nothing(bounded: Server) -> None:
    caller = await bounded.key("publish")
    points = _points(0, 8, 9, 10)
    answer = await ask(bounded, "POST", "/api/metrics", caller, json=points)
    refusal = problem(answer, 422)
    assert refusal["errors"] == [
        {
            "pointer": "",
            "detail": "3 new series would exceed database.max_series: 8 series exist, and 10 are "
            "allowed. Use labels of fewer values, or raise the limit.",
        }
    ]
    assert await _sevens(bounded) == []
    assert (await ask(bounded, "POST", "/api/metrics", caller, json=points[:3])).status == 201
    assert await _sevens(bounded) == ["m0", "m8", "m9"]


async def test_a_batch_that_continues_stores_the_points_of_known_series(bounded: Server) -> None:
    caller = await bounded.key("publish")
    bad = {**POINT, "name": ""}
    points = [*_points(8), bad, *_points(0, 9, 10, 1)]
    path = "/api/metrics/batch"
    assert (await ask(bounded, "POST", path, caller, json=points)).status == 422
    assert await _sevens(bounded) == []
    answer = await ask(bounded, "POST", f"{path}?on_error=continue", caller, json=points)
    assert (answer.json["accepted"], answer.json["refused"]) == (2, 4)
    assert [row["status"] for row in answer.json["results"]] == [422, 422, 201, 422, 422, 201]
    assert "database.max_series" in answer.json["results"][0]["error"]
    assert await _sevens(bounded) == ["m0", "m1"]


async def test_a_receiver_stores_the_points_of_known_series(bounded: Server) -> None:
    caller = await bounded.key("publish")
    await ask(bounded, "POST", "/write", caller, data=b"known value=1")
    lines = b"new1 value=7\nknown value=7\nnew2 value=7\n"
    answer = await ask(bounded, "POST", "/write", caller, data=lines)
    assert answer.status == 400
    assert "2 refused" in answer.body.decode()
    assert "database.max_series" in answer.body.decode()
    reader = await bounded.key()
    rows = await bounded.json("/api/metrics/influx/latest", reader)
    assert [(row["name"], row["value"]) for row in rows] == [("known", 7.0)]


async def test_the_watch_counts_and_raises_one_alert(bounded: Server) -> None:
    backend = bounded.backend
    watches = [
        SeriesWatch(backend.engine, BOUND, BOUND, bounded.feed.raise_alert) for _ in range(2)
    ]
    caller = await bounded.key()
    await watches[0].look()
    assert watches[0].count == BOUND - 2
    assert await bounded.json("/api/alerts", caller) == []
    await bounded.feed.record_metrics(_points(8))
    for _ in range(2):
        for watch in watches:
            await watch.look()
    (alert,) = await bounded.json("/api/alerts", caller)
    assert (alert["source"], alert["severity"]) == ("alphapulse", "warning")
    assert "database.max_series" in alert["message"]
    lines = (await ask(bounded, "GET", "/metrics", caller)).body.decode().splitlines()
    assert f"alphapulse_series_limit {BOUND}.0" in lines
    assert any(line.startswith("alphapulse_series ") for line in lines)


@pytest.fixture
async def bounded_keys(serve: Serve, tmp_path: Path) -> Server:
    """A server where each key may make ten series."""
    return await serve(
        database=DatabaseConfig(url=f"sqlite:///{tmp_path}/keys.db", max_series_per_key=BOUND)
    )


async def test_a_key_fills_only_its_own_bound(bounded_keys: Server) -> None:
    one, other = [await bounded_keys.key("publish", name=name) for name in ("one", "other")]
    post = partial(ask, bounded_keys, "POST", "/api/metrics")
    assert (await post(one, json=_points(*range(BOUND)))).status == 201
    refusal = problem(await post(one, json=_points(BOUND)), 422)
    assert "database.max_series_per_key: 10 series of this API key exist" in str(refusal["errors"])
    assert (await post(other, json=_points(*range(2 * BOUND)))).status == 201
    # One connection serves callers in turn.
    user = await bounded_keys.login()
    assert (await post(user, json=_points(*range(40, 60)))).status == 201
    await bounded_keys.feed.record_metrics(_points(*range(60, 80)))


async def test_the_watch_names_the_key_that_is_near_its_bound(bounded_keys: Server) -> None:
    caller = await bounded_keys.key("publish")
    watch = SeriesWatch(bounded_keys.backend.engine, 10**6, BOUND, bounded_keys.feed.raise_alert)
    await ask(bounded_keys, "POST", "/api/metrics", caller, json=_points(*range(BOUND - 2)))
    await watch.look()
    assert (watch.count_of_key, await bounded_keys.json("/api/alerts", caller)) == (BOUND - 2, [])
    await ask(bounded_keys, "POST", "/api/metrics", caller, json=_points(BOUND))
    for _ in range(2):
        await watch.look()
    (alert,) = await bounded_keys.json("/api/alerts", caller)
    assert f"The API key {caller['X-API-Key'].split('_')[1]} has made 90%" in alert["message"]
    lines = (await ask(bounded_keys, "GET", "/metrics", caller)).body.decode().splitlines()
    assert f"alphapulse_series_of_key_limit {BOUND}.0" in lines
