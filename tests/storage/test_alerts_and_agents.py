"""Alerts, agents and system samples: filters, pages, and what a change leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.domain.errors import Conflict, NotFound, Problem, ValidationProblem
from alphapulse_api.domain.times import now
from alphapulse_api.storage.accessors import Accessors
from tests.engines import T0, at
from tests.records import alert, ids, sample, signal


async def test_alerts_are_filtered(store: Accessors) -> None:
    await store.alerts.add_alert(alert("a1", 1, severity="critical", source="risk"))
    await store.alerts.add_alert(alert("a2", 2, source="risk"))
    await store.alerts.add_alert(alert("a3", 3, severity="info"))
    await store.alerts.acknowledge_alert("a2", "ann")
    await store.alerts.resolve_alert("a3")
    get = store.alerts.get_alerts
    assert ids(await get()) == ["a3", "a2", "a1"]
    assert ids(await get(severity=["critical", "info"])) == ["a3", "a1"]
    assert ids(await get(source="risk", acknowledged=False)) == ["a1"]
    assert ids(await get(acknowledged=True)) == ["a2"]
    assert ids(await get(unresolved=True)) == ["a2", "a1"]


async def test_an_alert_is_acknowledged_and_resolved_once(store: Accessors) -> None:
    await store.alerts.add_alert(alert("a1"))
    first = await store.alerts.acknowledge_alert("a1", "ann", "looking")
    assert (first["status"], first["acknowledged"]) == ("acknowledged", True)
    assert (first["acknowledged_by"], first["comments"]) == ("ann", "looking")
    assert first["acknowledged_at"] > T0
    assert await store.alerts.acknowledge_alert("a1", "bob", "me too") == first
    resolved = await store.alerts.resolve_alert("a1")
    assert resolved == {**first, "status": "resolved", "resolved_at": resolved["resolved_at"]}
    assert await store.alerts.resolve_alert("a1") == resolved
    assert await store.alerts.get_alert("a1") == resolved
    for call in (store.alerts.get_alert, store.alerts.resolve_alert):
        with pytest.raises(NotFound, match="a9"):
            await call("a9")
    with pytest.raises(NotFound):
        await store.alerts.acknowledge_alert("a9", "ann")


async def test_an_alert_acknowledged_after_its_end_stays_resolved(store: Accessors) -> None:
    await store.alerts.add_alert(alert("a1"))
    await store.alerts.resolve_alert("a1")
    late = await store.alerts.acknowledge_alert("a1", "ann")
    assert (late["status"], late["acknowledged_by"]) == ("resolved", "ann")


async def test_agents_come_with_their_newest_20_signals_of_the_last_day(store: Accessors) -> None:
    await store.agents.set_agent("m2", {"agent_type": "momentum"})
    for n in range(25):
        await store.agents.add_signal(signal(f"s{n:02}", n // 2))
    await store.agents.add_signal(signal("late", 86_399.5))
    m1, m2 = await store.agents.get_agents(end_time=at(86_401))
    assert (m1["agent_id"], m2["agent_id"], m2["signals"]) == ("m1", "m2", [])
    assert ids(m1["signals"]) == ["late", *(f"s{n:02}" for n in range(24, 5, -1))]
    assert await store.agents.get_agent("m1", end_time=at(86_401)) == m1
    with pytest.raises(NotFound, match="m9"):
        await store.agents.get_agent("m9")
    (m1, _) = await store.agents.get_agents(end_time=at(86_411))
    assert ids(m1["signals"]) == ["late", "s24", "s23", "s22"]
    (m2,) = await store.agents.get_agents(agent_type="momentum")
    assert (m2["agent_id"], m2["state"], m2["metrics"]) == ("m2", "active", {})


async def test_agents_come_in_pages_each_with_its_own_signals(store: Accessors) -> None:
    for n in range(5):
        await store.agents.set_agent(f"m{n}", {"agent_type": "grid" if n % 2 else "trend"})
        await store.agents.add_signal(signal(f"s{n}", 1, agent_id=f"m{n}"))
    ranged = {"start_time": at(0), "end_time": at(9)}
    for query, expected in (({}, [0, 1, 2, 3, 4]), ({"agent_type": "trend"}, [0, 2, 4])):
        walked, cursor = [], None
        while True:
            page = await store.agents.get_agents(**ranged, **query, limit=2, cursor=cursor)
            assert len(page) <= 2
            walked += [(agent["agent_id"], ids(agent["signals"])) for agent in page]
            if (cursor := page.next_cursor) is None:
                break
        assert walked == [(f"m{n}", [f"s{n}"]) for n in expected]
    first = await store.agents.get_agents(limit=2)
    with pytest.raises(ValidationProblem, match="cursor"):
        await store.agents.get_agents(agent_type="trend", cursor=first.next_cursor)


async def test_alerts_are_found_by_status(store: Accessors) -> None:
    for n in range(3):
        await store.alerts.add_alert(alert(f"a{n}", n))
    await store.alerts.acknowledge_alert("a1", "ann")
    await store.alerts.resolve_alert("a2")
    for status, expected in (("active", "a0"), ("acknowledged", "a1"), ("resolved", "a2")):
        assert ids(await store.alerts.get_alerts(status=status)) == [expected]


async def test_an_agents_update_keeps_what_it_leaves_out(store: Accessors) -> None:
    first = await store.agents.set_agent("m1", {"agent_type": "grid", "metrics": {"a": 1.0}})
    then = await store.agents.set_agent("m1", {"state": "error"})
    assert then == {**first, "state": "error", "updated_at": then["updated_at"]}
    assert then["updated_at"] >= first["updated_at"]
    (shown,) = await store.agents.get_agents()
    assert shown == {**then, "signals": []}


async def test_signals_are_filtered_and_belong_to_an_agent(store: Accessors) -> None:
    for n, fields in enumerate(({}, {"symbol": "ETH"}, {"direction": "hold"}, {"agent_id": "m2"})):
        await store.agents.add_signal(signal(f"s{n}", n, **fields))
    get = store.agents.get_signals
    assert ids(await get("m1")) == ["s2", "s1", "s0"]
    assert ids(await get("m1", symbol="ETH")) == ["s1"]
    assert ids(await get("m1", direction="hold")) == ["s2"]
    with pytest.raises(NotFound, match="m3"):
        await get("m3")
    with pytest.raises(Conflict, match="another agent_id"):
        await store.agents.add_signal(signal("s0", agent_id="m2"))
    assert await store.agents.add_signal(signal("s0")) == ((await get("m1"))[-1], False)


async def test_a_sample_of_the_same_instant_replaces_the_one_before(store: Accessors) -> None:
    await store.system.add_sample(sample("db", status="error", message="slow"))
    last, new = await store.system.add_sample(sample("db", metrics={"lag": 1.0}))
    assert not new
    assert await store.system.get_system("db", at(0), at(1)) == [last]
    await store.system.add_sample({**sample("api"), "timestamp": now()})
    assert ids(await store.system.get_system()) == ["api"]  # the last hour
    assert ids(await store.system.get_system("db")) == []


async def test_a_host_may_replace_an_accessor_and_need_not_offer_everything(
    store: Accessors,
) -> None:
    class Mine:
        async def get_trades(self) -> list[Any]:
            return []

    mine = Accessors(store.engine, 300, {"trades": Mine()})
    assert await mine.trades.get_trades() == []
    with pytest.raises(Problem, match="has no method add_trades") as refused:
        await mine.trades.add_trades([])
    assert refused.value.kind.status == 501
    with pytest.raises(TypeError, match="trade"):
        Accessors(store.engine, 300, {"trade": Mine()})
