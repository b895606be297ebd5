"""Subscriptions in the socket's state machine: channels, filters, positions."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.schemas.alerts import SEVERITIES
from alphapulse_api.sockets.filters import MAX_FILTER_VALUES
from alphapulse_api.sockets.options import OPTIONS, Words
from alphapulse_api.sockets.protocol import Protocol
from alphapulse_api.sockets.requests import Selection, Subscribe, Unsubscribe
from tests.sockets.conftest import a_caller
from tests.sockets.test_protocol import answer, refusal

NOTHING_SELECTED = Selection({}, {})


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
            "metrics": Selection(
                {"metric_types": frozenset({"risk"}), "names": frozenset("ab")}, {}
            ),
            "trades": NOTHING_SELECTED,
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

    words = SEVERITIES if name == "severities" else ("x",)
    values = [words[n % len(words)] for n in range(MAX_FILTER_VALUES)]
    assert ask(values).channels[channel].filters == {name: frozenset(values)}
    for bad in ([*values, *words], [], "x", [1], [None], [""], ["x" * 257]):
        error = ask(bad).message
        assert (error["code"], error["channel"]) == ("invalid_filter", channel), bad


@pytest.mark.parametrize(
    "filters",
    [
        {"metrics": {"symbols": ["A"]}},
        {"metrics": []},
        {"metrics": {"metric_types": ["RISK"]}},
        {"portfolio": {"x": ["y"]}},
        {"trades": {}},
        [],
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
    ],
)
def test_since_and_snapshot_have_their_shapes(known: Protocol, fields: dict[str, Any]) -> None:
    error = refusal(known, type="subscribe", channels=["metrics"], **fields)
    assert error["code"] == "invalid_message"


def test_a_word_that_no_record_has_is_an_invalid_filter(known: Protocol) -> None:
    def ask(*severities: str) -> Any:
        filters = {"alerts": {"severities": severities}}
        return answer(known, type="subscribe", channels=["alerts"], filters=filters)

    error = ask("critical", "urgent").message
    assert (error["code"], error["channel"]) == ("invalid_filter", "alerts")
    assert "'urgent'" in error["message"]
    assert "info, warning, error, critical" in error["message"]
    assert ask("Critical").channels["alerts"].filters == {"severities": {"critical"}}


@pytest.mark.parametrize(
    ("channel", "name", "word"),
    [
        (c, name, word)
        for c, known in OPTIONS.items()
        for name in known
        for word in known[name].words
    ],
)
def test_an_option_takes_its_words(known: Protocol, channel: str, name: str, word: str) -> None:
    many = isinstance(OPTIONS[channel][name], Words)
    options = {channel: {name: [word, word] if many else word}}
    action = answer(known, type="subscribe", channels=[channel], options=options)
    assert action.channels[channel].options == {name: (word,) if many else word}


@pytest.mark.parametrize(
    ("options", "channel", "says"),
    [
        ([], None, "must be an object whose keys are channels"),
        ({"agents": {}}, "agents", "only name channels of this request"),
        ({"alerts": {}}, "alerts", "only name channels of this request"),
        ({"portfolio": []}, "portfolio", "must be an object"),
        ({"portfolio": {"weights": "x"}}, "portfolio", "no option 'weights'; it has positions"),
        (
            {"portfolio": {"positions": "some"}},
            "portfolio",
            "positions of portfolio must be 'whole'",
        ),
        ({"portfolio": {"positions": ["whole"]}}, "portfolio", "must be 'whole'"),
        ({"trades": {"positions": "whole"}}, "trades", "no option 'positions'; it has include"),
        ({"trades": {"include": ["quote"]}}, "trades", "a list of 'signal', 'decision'"),
    ],
)
def test_other_options_are_invalid(
    known: Protocol, options: Any, channel: str | None, says: str
) -> None:
    error = refusal(known, type="subscribe", channels=["trades", "portfolio"], options=options)
    assert (error["code"], error.get("channel")) == ("invalid_message", channel)
    assert says in error["message"]


@pytest.mark.parametrize(
    "members",
    [
        {"filters": None, "options": None, "since": None, "snapshot": None},
        {"filters": {"trades": None}, "options": {"trades": None}, "since": {"trades": None}},
        {"filters": {"trades": {"symbols": None, "strategies": None}}},
    ],
)
def test_null_means_left_out(known: Protocol, members: dict[str, Any]) -> None:
    action = answer(known, type="subscribe", channels=["trades"], **members)
    assert action == Subscribe(None, {"trades": NOTHING_SELECTED}, {}, False)


def test_unsubscribe_names_its_channels(known: Protocol) -> None:
    assert answer(known, type="unsubscribe", id=5, channels=["trades"]) == Unsubscribe(
        5, ["trades"]
    )


def test_subscriptions_are_shown_with_their_filters_and_options(known: Protocol) -> None:
    known.subscriptions["metrics"] = Selection({"names": frozenset(("b", "a"))}, {})
    known.subscriptions["trades"] = NOTHING_SELECTED
    known.subscriptions["portfolio"] = Selection({}, {"positions": "whole"})
    assert answer(known, type="subscriptions", id=6).message == {
        "type": "subscriptions",
        "id": 6,
        "channels": {
            "metrics": {"filters": {"names": ["a", "b"]}},
            "trades": {"filters": {}},
            "portfolio": {"filters": {}, "options": {"positions": "whole"}},
        },
    }
