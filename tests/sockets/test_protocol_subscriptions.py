"""Subscriptions in the socket's state machine: channels, filters, positions."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.sockets.protocol import Protocol
from alphapulse_api.sockets.requests import (
    MAX_FILTER_VALUES,
    Subscribe,
    Unsubscribe,
)
from tests.sockets.conftest import a_caller
from tests.sockets.test_protocol import answer, refusal


def test_a_subscription_says_everything_it_asks_for(known: Protocol) -> None:
    action = answer(
        known,
        type="subscribe",
        id=2,
        channels=["metrics", "trades"],
        filters={"metrics": {"metric_types": ["risk"], "names": ["a", "b"]}},
        since={"trades": "c-1"},
        snapshot=True,
    )
    assert action == Subscribe(
        2,
        {
            "metrics": {"metric_types": frozenset({"risk"}), "names": frozenset("ab")},
            "trades": {},
        },
        {"trades": "c-1"},
        True,
    )


@pytest.mark.parametrize("channels", [None, [], "metrics", {}, [1], ["trades", "trades"], [[]]])
@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
def test_channels_must_be_a_list_of_names(known: Protocol, kind: str, channels: Any) -> None:
    assert refusal(known, type=kind, channels=channels)["code"] == "invalid_message"


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
def test_an_unknown_channel_is_named(known: Protocol, kind: str) -> None:
    error = refusal(known, type=kind, channels=["metrics", "agents"])
    assert (error["code"], error["channel"]) == ("unknown_channel", "agents")


def test_one_forbidden_channel_refuses_the_whole_subscription() -> None:
    narrow = Protocol(a_caller(frozenset({"view_metrics"})))
    error = refusal(narrow, type="subscribe", id=4, channels=["metrics", "alerts"])
    assert (error["code"], error["channel"], error["id"]) == ("forbidden", "alerts", 4)
    assert answer(narrow, type="subscriptions").message["channels"] == {}


@pytest.mark.parametrize(
    ("channel", "name"), [(c.name, f) for c in CHANNELS.values() for f in c.filters]
)
def test_a_filter_takes_up_to_a_hundred_strings(channel: str, name: str) -> None:
    def ask(values: Any) -> Any:
        filters = {channel: {name: values}}
        return answer(Protocol(a_caller()), type="subscribe", channels=[channel], filters=filters)

    values = [str(n) for n in range(MAX_FILTER_VALUES)]
    assert ask(values).channels[channel] == {name: frozenset(values)}
    for bad in ([*values, "one more"], [], "x", None, [1], [None], ["x" * 257]):
        error = ask(bad).message
        assert (error["code"], error["channel"]) == ("invalid_filter", channel), bad


@pytest.mark.parametrize(
    "filters",
    [
        {"metrics": {"symbols": ["A"]}},
        {"metrics": []},
        {"metrics": None},
        {"portfolio": {"x": ["y"]}},
        {"trades": {}},
        [],
        None,
        "x",
    ],
)
def test_other_filters_are_invalid(known: Protocol, filters: Any) -> None:
    error = refusal(known, type="subscribe", channels=["metrics", "portfolio"], filters=filters)
    assert error["code"] == "invalid_filter"


@pytest.mark.parametrize(
    "fields",
    [
        {"since": []},
        {"since": {"metrics": 1}},
        {"since": {"metrics": "x" * 257}},
        {"since": {"trades": "c"}},
        {"snapshot": 1},
        {"snapshot": None},
    ],
)
def test_since_and_snapshot_have_their_shapes(known: Protocol, fields: dict[str, Any]) -> None:
    error = refusal(known, type="subscribe", channels=["metrics"], **fields)
    assert error["code"] == "invalid_message"


def test_unsubscribe_names_its_channels(known: Protocol) -> None:
    assert answer(known, type="unsubscribe", id=5, channels=["trades"]) == Unsubscribe(
        5, ["trades"]
    )


def test_subscriptions_are_shown_with_their_filters(known: Protocol) -> None:
    known.subscriptions["metrics"] = {"names": frozenset(("b", "a"))}
    known.subscriptions["trades"] = {}
    assert answer(known, type="subscriptions", id=6).message == {
        "type": "subscriptions",
        "id": 6,
        "channels": {"metrics": {"filters": {"names": ["a", "b"]}}, "trades": {"filters": {}}},
    }
