"""The same questions over the same data: SQLite and PostgreSQL give the same answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.aggregation import FUNCTIONS
from alphapulse_api.domain.errors import Problem
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.portfolio import accessor, reading, rollups, writing
from alphapulse_api.storage.tables import agents, alerts, signal_accessor
from alphapulse_api.storage.tables import trades as trade_store
from tests.engines import T0, at, connected, empty_store, opened
from tests.postgres import Postgres
from tests.records import alert, sample, signal, snapshot, trade

# Few instants and names, so that ties and matches are likely; the ends of time among them.
seconds = st.one_of(
    st.integers(0, 6),
    st.sampled_from([0.000001, 0.5, 5.999999, 86_400.0, -1e9, -6.3e10, 2.5e11]),
)
zones = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=9))]
)
instants = st.builds(lambda second, zone: at(second).astimezone(zone), seconds, zones)
words = st.sampled_from(
    ["a", "A", "b", "B2", "é", "z", "ÿ", "\uffff", "😀", "_", "%", "a b", "{}", "'"]
)
numbers = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, 1e9, 5e-324, -1e-200, 1e200, 1.7e308, -1.7e308]),
    st.floats(-1e6, 1e6, allow_nan=False),
)
decimals = st.one_of(
    st.sampled_from([Decimal(t) for t in ("1.50", "1.5", "0", "-0.00", "1E+3", "1E-30", "9" * 38)]),
    st.decimals(-1000, 1000, allow_nan=False, places=4),
)
documents = st.dictionaries(
    words,
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), words, st.floats(-9, 9)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)
        ),
        max_leaves=5,
    ),
    max_size=4,
)
figures = st.dictionaries(words, numbers, max_size=3)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Each field or not."""
    return st.fixed_dictionaries({}, optional=fields)


points = st.fixed_dictionaries(
    {
        "metric_type": st.sampled_from(["risk", "trade"]),
        "name": words,
        "timestamp": instants,
        "value": numbers,
        "labels": st.dictionaries(st.sampled_from(["desk", "é"]), words, max_size=2),
    }
)
trades = st.builds(
    lambda id_, fields: trade(id_, **fields),
    words,
    some(symbol=words, side=st.sampled_from(["buy", "sell"]), quantity=decimals, price=decimals,
         fee=decimals, strategy=words, agent_id=words, executed_at=instants, metadata=documents,
         status=st.sampled_from(["pending", "open", "partially_filled", "cancelled"]),
         filled_quantity=decimals, decided_price=decimals, order_id=words),
)  # fmt: skip
raised = st.builds(
    lambda id_, fields: alert(id_, **fields),
    words,
    some(severity=st.sampled_from(["info", "error"]), source=words, metric_value=numbers,
         threshold=numbers, created_at=instants, tags=st.lists(words, max_size=3),
         metadata=documents),
)  # fmt: skip
signals = st.builds(
    lambda id_, fields: signal(id_, **fields),
    words,
    some(agent_id=words, symbol=words, direction=st.sampled_from(["buy", "hold"]),
         confidence=st.floats(0, 1), target_price=decimals, timestamp=instants, metadata=documents),
)  # fmt: skip
samples = st.builds(
    lambda name, fields: sample(name, **fields),
    words,
    some(timestamp=instants, metrics=figures, message=words),
)
snapshots = st.builds(
    lambda fields: snapshot(0, **fields),
    some(total_value=decimals, cash=decimals, as_of=instants, performance=figures),
)
updates = some(agent_type=words, state=st.sampled_from(["active", "error"]), metrics=figures)

# What is written: the accessor, its method, the arguments.
writes = st.one_of(
    st.tuples(st.just("metrics"), st.just("add_points"), st.tuples(st.lists(points, max_size=25))),
    st.tuples(st.just("trades"), st.just("add_trades"), st.tuples(st.lists(trades, max_size=12))),
    st.tuples(st.just("alerts"), st.just("add_alert"), st.tuples(raised)),
    st.tuples(st.just("alerts"), st.just("acknowledge_alert"), st.tuples(words, words)),
    st.tuples(st.just("alerts"), st.just("resolve_alert"), st.tuples(words)),
    st.tuples(st.just("agents"), st.just("set_agent"), st.tuples(words, updates)),
    st.tuples(st.just("agents"), st.just("add_signal"), st.tuples(signals)),
    st.tuples(st.just("system"), st.just("add_sample"), st.tuples(samples)),
    st.tuples(st.just("portfolio"), st.just("set_portfolio"), st.tuples(snapshots)),
)

ranges = {"start_time": instants, "end_time": instants}
pages = {"limit": st.integers(1, 5)}
questions = st.one_of(
    st.tuples(st.just("metrics"), st.just("list_series"), some(name=words, **pages)),
    st.tuples(
        st.just("metrics"),
        st.just("get_latest_metrics"),
        some(
            metric_type=st.just("risk"), name=words, labels=words.map(lambda w: {"desk": w}),
            **pages,
        ),
    ),
    st.tuples(
        st.just("metrics"),
        st.just("get_metrics"),
        some(
            aggregation=st.lists(st.sampled_from(FUNCTIONS), min_size=1, unique=True).map(",".join),
            interval=st.sampled_from(["1s", "7s", "1m", "1w", "90d", "250000w", "520000w", "auto"]),
            max_points=st.integers(1, 50), name=words,
            timezone=st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Nowhere"]),
            **ranges, **pages,
        ).map(lambda query: {**query, "metric_type": "risk"}),
    ),
    st.tuples(
        st.just("trades"),
        st.just("get_trade"),
        st.fixed_dictionaries({"trade_id": words}),
    ),
    st.tuples(
        st.just("trades"),
        st.just("get_trades"),
        some(symbol=st.lists(words, max_size=2), strategy=words, agent_id=words,
             side=st.just("buy"), **ranges, **pages),
    ),
    st.tuples(
        st.just("alerts"),
        st.just("get_alerts"),
        some(severity=st.just(["info"]), acknowledged=st.booleans(), source=words,
             status=st.sampled_from(["active", "acknowledged", "resolved"]),
             unresolved=st.booleans(), **ranges, **pages),
    ),
    st.tuples(st.just("agents"), st.just("get_agents"), some(agent_type=words, **ranges, **pages)),
    st.tuples(
        st.just("agents"),
        st.just("get_signals"),
        some(symbol=words, direction=st.just("buy"), **ranges, **pages).flatmap(
            lambda query: words.map(lambda name: {**query, "agent_id": name})
        ),
    ),
    st.tuples(st.just("system"), st.just("get_system"), some(component=words, **ranges, **pages)),
    st.tuples(
        st.just("portfolio"),
        st.just("get_portfolio"),
        some(max_points=st.integers(2, 5), **ranges).map(lambda q: {**q, "include_history": True}),
    ),
)  # fmt: skip

Step = tuple[str, str, Any]


async def outcome(call: Callable[..., Awaitable[Any]], *args: Any, **query: Any) -> Any:
    """What a call answers, or what it refuses with."""
    try:
        return await call(*args, **query)
    except Problem as refusal:
        return type(refusal).__name__, refusal.detail, refusal.extra


async def read(store: Accessors, resource: str, method: str, query: Mapping[str, Any]) -> Any:
    """An answer, with all its pages where it has pages."""
    listing = getattr(getattr(store, resource), method)
    found = await outcome(listing, **query)
    answer, cursors = [found], []
    while cursor := getattr(found, "next_cursor", None):
        cursors.append(cursor)
        found = await outcome(listing, **query, cursor=cursor)
        answer.append(found)
    return answer, len(cursors)


def same(left: Any, right: Any, name: str = "") -> None:
    """Assert that two answers are the same: type, order and digits."""
    assert type(left) is type(right), name
    if isinstance(left, Mapping):
        assert list(left) == list(right), name
        for key in left:
            same(left[key], right[key], key)
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), name
        for one, other in zip(left, right, strict=True):
            same(one, other, name)
    else:
        assert left == right, name
        if isinstance(left, Decimal):
            assert str(left) == str(right), name


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(written=st.lists(writes, max_size=12), asked=st.lists(questions, min_size=1, max_size=12))
async def test_the_engines_give_the_same_answers(
    written: list[Step],
    asked: list[Step],
    postgres: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (
        agents,
        alerts,
        signal_accessor,
        accessor,
        reading,
        rollups,
        writing,
        trade_store,
    ):
        monkeypatch.setattr(module, "now", lambda: datetime(2026, 3, 1, 13, tzinfo=UTC))
    path: Path = tmp_path_factory.mktemp("db") / "store.db"
    async with opened(empty_store(path)) as sqlite, connected(await postgres.emptied()) as other:
        left, right = Accessors(sqlite, 300, {}), Accessors(other, 300, {})
        for resource, method, args in written:
            one, two = (getattr(getattr(store, resource), method) for store in (left, right))
            same(await outcome(one, *args), await outcome(two, *args), method)
        for resource, method, query in asked:
            if "start_time" not in query and method in ("get_agents", "get_system", "get_metrics"):
                query = {"end_time": T0 + timedelta(hours=1), **query}
            one = await read(left, resource, method, query)
            same(one, await read(right, resource, method, query), method)
