"""Which receivers are told of an alert."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.config import MatchConfig, NotifyConfig, ReceiverConfig, RouteConfig
from alphapulse_api.notify.routing import Router


def config(*routes: RouteConfig, **fields: Any) -> NotifyConfig:
    receivers = {name: ReceiverConfig(urls=(f"ntfy://{name}",)) for name in ("a", "b", "c")}
    return NotifyConfig(receivers=receivers, routes=routes, **fields)


def alert(**fields: Any) -> dict[str, Any]:
    return {
        "id": "x", "severity": "error", "source": "risk", "rule_id": "r1", "tags": ["night"],
        "metadata": {"labels": {"team": "equity", "tier": 1}}, "book": "main", **fields,
    }  # fmt: skip


def receivers(notify: NotifyConfig, **fields: Any) -> list[str]:
    return [target.receiver for target in Router(notify).targets(alert(**fields))]


def route(*names: str, **conditions: Any) -> RouteConfig:
    goes_on = conditions.pop("continues", False)
    return RouteConfig(match=MatchConfig(**conditions), receivers=names, continues=goes_on)


def test_without_routes_every_receiver_is_told() -> None:
    assert receivers(config()) == ["a", "b", "c"]


def test_the_first_route_that_matches_wins_unless_it_continues() -> None:
    notify = config(
        route("a", min_severity="critical", continues=True),
        route("b", severity=("error", "critical")),
        route("c"),
    )
    assert receivers(notify) == ["b"]
    assert receivers(notify, severity="critical") == ["a", "b"]
    assert receivers(notify, severity="info") == ["c"]


def test_a_route_without_receivers_ends_the_search() -> None:
    assert receivers(config(route(source=("risk",)), route("a"))) == []
    assert receivers(config(route(source=("risk",)), route("a")), source="feed") == ["a"]


def test_a_receiver_is_told_as_its_first_route_has_it() -> None:
    first = RouteConfig(receivers=("a",), group_wait=1, continues=True)
    (target,) = Router(config(first, RouteConfig(receivers=("a",)))).targets(alert())
    assert target.settings.group_wait == 1
    assert target.settings.group_interval == 60


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({"severity": ("error",)}, True),
        ({"severity": ("info", "critical")}, False),
        ({"min_severity": "error"}, True),
        ({"min_severity": "critical"}, False),
        ({"source": ("feed", "risk")}, True),
        ({"source": ("feed",)}, False),
        ({"rule_id": ("r1",)}, True),
        ({"rule_id": ("r2",)}, False),
        ({"tags": ("day", "night")}, True),
        ({"tags": ("day",)}, False),
        ({"labels": ("team:equity", "team:fx")}, True),
        ({"labels": ("team:equity", "tier:1")}, True),
        ({"labels": ("team:equity", "tier:2")}, False),
        ({"labels": ("desk:x",)}, False),
        ({"book": ("main",)}, True),
        ({"book": ("",)}, False),
        ({"severity": ("error",), "source": ("feed",)}, False),
    ],
)
def test_an_alert_meets_all_conditions(conditions: dict[str, Any], matches: bool) -> None:
    assert (receivers(config(route("a", **conditions))) == ["a"]) is matches


def test_what_an_alert_lacks_matches_nothing() -> None:
    bare = {"source": None, "rule_id": None, "tags": [], "metadata": {}, "book": None}
    assert receivers(config(route("a", book=("",))), **bare) == ["a"]
    for conditions in ({"source": ("risk",)}, {"tags": ("x",)}, {"labels": ("a:b",)}):
        assert receivers(config(route("a", **conditions)), **bare) == []
    # Senders choose their metadata.
    assert receivers(config(route("a", labels=("a:b",))), metadata={"labels": ["a"]}) == []


def test_a_group_has_equal_values() -> None:
    notify = config(group_by=("severity", "book", "label:team"))
    (target, *_) = Router(notify).targets(alert())
    assert target.settings.group(alert()) == "severity=error book=main label:team=equity"
    assert (
        target.settings.group(alert(book=None, metadata={})) == "severity=error book= label:team="
    )
    (target, *_) = Router(config()).targets(alert())
    assert target.settings.group(alert()) == ""
