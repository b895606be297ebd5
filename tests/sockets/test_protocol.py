"""The socket's state machine, without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import AUTH_FAILED, FLOODING, SOCKET_ERRORS, TOKEN_EXPIRED
from alphapulse_api.sockets.protocol import MAX_REFUSALS, Disconnect, Protocol, Reply
from alphapulse_api.sockets.requests import (
    REQUESTS,
    Authenticate,
    Selection,
    Subscribe,
    Unsubscribe,
)
from tests.sockets.conftest import a_caller

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CODES = {error.code for error in SOCKET_ERRORS}


def received(protocol: Protocol, text: str, at: float = 0.0) -> list[Any]:
    """The actions for a text frame that arrives at a monotonic time."""
    return protocol.count(text, at) or protocol.receive(text, NOW)


def answer(protocol: Protocol, **message: Any) -> Any:
    (action,) = received(protocol, json.dumps(message))
    return action


def refusal(protocol: Protocol, **message: Any) -> dict[str, Any]:
    action = answer(protocol, **message)
    assert isinstance(action, Reply)
    assert action.message["type"] == "error"
    assert action.message["code"] in CODES
    assert action.message["message"]
    return dict(action.message)


@pytest.mark.parametrize("request_id", [0, -1, 7, 2**63, "x" * 36, "é" * 36, ""])
def test_the_answer_has_the_requests_id(known: Protocol, request_id: Any) -> None:
    pong = answer(known, type="ping", id=request_id).message
    assert (pong["type"], pong["id"]) == ("pong", request_id)


def test_without_an_id_the_answer_has_none(known: Protocol) -> None:
    assert "id" not in answer(known, type="ping").message
    assert "id" not in answer(known, type="ping", id=None).message


@pytest.mark.parametrize("request_id", ["x" * 37, True, 1.5, [], {}])
def test_a_bad_id_is_an_invalid_message_and_not_given_back(
    known: Protocol, request_id: Any
) -> None:
    error = refusal(known, type="ping", id=request_id)
    assert error["code"] == "invalid_message"
    assert "id" not in error


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null", "[{}]", "true"])
def test_json_that_is_no_object_is_an_invalid_message(known: Protocol, text: str) -> None:
    (action,) = received(known, text)
    assert isinstance(action, Reply)
    assert action.message["code"] == "invalid_message"
    assert "object" in action.message["message"]


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ({}, "type is missing"),
        ({"type": "auth"}, "token or api_key is missing"),
        ({"type": "auth", "token": None}, "token or api_key is missing"),
        ({"type": "subscribe"}, "channels is missing"),
        ({"type": "unsubscribe"}, "channels is missing"),
    ],
)
def test_a_missing_field_is_called_missing(
    known: Protocol, message: dict[str, Any], missing: str
) -> None:
    error = refusal(known, id=7, **message)
    assert (error["code"], error["id"]) == ("invalid_message", 7)
    assert error["message"].startswith(missing)


@pytest.mark.parametrize("text", ["", "{", "NaN", "\ud800", "[" * 2000])
def test_what_is_no_json_is_invalid_json(known: Protocol, text: str) -> None:
    (action,) = received(known, text)
    assert isinstance(action, Reply)
    assert action.message["code"] == "invalid_json"


@pytest.mark.parametrize(
    "text",
    ["[]", "1", '"x"', "null", "1e400", "[-1e400]", '{"type": "ping", "id": 1e400}', '"\\ud800"',
     '{"type": "ping", "id": "\\ud800"}', "9" * 5000],
)  # fmt: skip
def test_json_that_is_no_message_is_an_invalid_message(known: Protocol, text: str) -> None:
    (action,) = received(known, text)
    assert isinstance(action, Reply)
    assert action.message["code"] == "invalid_message"


@pytest.mark.parametrize("kind", ["welcome", "metric", "", "PING"])
def test_an_unknown_type_is_named_with_the_request_id(known: Protocol, kind: str) -> None:
    error = refusal(known, type=kind, id=3)
    assert (error["code"], error["id"]) == ("unknown_type", 3)


@pytest.mark.parametrize("message", [{}, {"type": None}, {"type": 1}, {"type": ["ping"]}])
def test_a_type_that_is_no_string_is_an_invalid_message(
    known: Protocol, message: dict[str, Any]
) -> None:
    assert refusal(known, **message)["code"] == "invalid_message"


@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_an_unknown_field_is_named(known: Protocol, kind: str) -> None:
    error = refusal(known, type=kind, colour="red")
    assert error["code"] == "invalid_message"
    assert "colour" in error["message"]


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe", "subscriptions"])
def test_before_authentication_only_auth_and_ping_work(kind: str) -> None:
    stranger = Protocol()
    more = {} if kind == "subscriptions" else {"channels": ["metrics"]}
    assert refusal(stranger, type=kind, **more)["code"] == "unauthenticated"
    assert answer(stranger, type="ping").message["type"] == "pong"


def test_auth_hands_the_credentials_over() -> None:
    stranger = Protocol()
    assert answer(stranger, type="auth", id=1, token="t") == Authenticate(1, token="t")
    assert answer(stranger, type="auth", api_key="k") == Authenticate(None, api_key="k")


@pytest.mark.parametrize(
    "fields", [{}, {"token": "t", "api_key": "k"}, {"token": 1}, {"token": None}, {"api_key": []}]
)
def test_auth_takes_exactly_one_credential(fields: dict[str, Any]) -> None:
    assert refusal(Protocol(), type="auth", **fields)["code"] == "invalid_message"


def test_credentials_are_not_in_a_repr() -> None:
    action = answer(Protocol(), type="auth", token="s3cret")
    assert "s3cret" not in repr(action)


def test_good_credentials_are_confirmed_and_open_the_channels() -> None:
    stranger = Protocol()
    (reply,) = stranger.authenticated(1, a_caller())
    assert isinstance(reply, Reply)
    assert reply.message == {
        "type": "authenticated", "id": 1, "username": "ann", "role": "viewer", "expires_at": None,
    }  # fmt: skip
    assert isinstance(answer(stranger, type="subscribe", channels=["metrics"]), Subscribe)


@pytest.mark.parametrize(
    ("expired", "code", "close"),
    [(False, "auth_failed", AUTH_FAILED), (True, "token_expired", TOKEN_EXPIRED)],
)
def test_bad_credentials_are_an_error_and_a_close(expired: bool, code: str, close: Any) -> None:
    error, disconnect = Protocol().refused(9, "no", expired=expired)
    assert isinstance(error, Reply)
    assert (error.message["code"], error.message["id"]) == (code, 9)
    assert disconnect == Disconnect(close)


def test_a_new_auth_keeps_the_subscriptions(known: Protocol) -> None:
    known.subscriptions["metrics"] = Selection({}, {})
    assert isinstance(answer(known, type="auth", token="new"), Authenticate)
    known.authenticated(None, a_caller())
    assert "metrics" in answer(known, type="subscriptions").message["channels"]


def test_a_new_caller_loses_the_channels_that_it_may_not_read(known: Protocol) -> None:
    known.subscriptions.update(dict.fromkeys(("metrics", "trades"), Selection({}, {})))
    reply, unsubscribe = known.authenticated(3, a_caller(frozenset({"view_metrics"})))
    assert isinstance(reply, Reply)
    assert (reply.message["type"], reply.message["id"]) == ("authenticated", 3)
    assert unsubscribe == Unsubscribe(None, ["trades"])


def test_a_pong_has_the_time_that_was_passed_in(known: Protocol) -> None:
    assert answer(known, type="ping").message["timestamp"] == NOW


def kinds(protocol: Protocol, count: int, at: float) -> list[str]:
    frames = ['{"type":"ping"}'] * count
    actions = [action for text in frames for action in received(protocol, text, at)]
    return [a.message["type"] if isinstance(a, Reply) else a.close.reason for a in actions]


def test_twenty_messages_at_once_and_ten_a_second_pass(known: Protocol) -> None:
    assert kinds(known, 21, at=0.0) == ["pong"] * 20 + ["error"]
    for tenth in range(1, 31):
        assert kinds(known, 2, at=tenth / 10) == ["pong", "error"]


def test_a_limited_message_is_rate_limited_and_not_acted_on(known: Protocol) -> None:
    kinds(known, 20, at=0.0)
    error = refusal(known, type="subscribe", id=7, channels=["metrics"])
    assert (error["code"], error["id"]) == ("rate_limited", 7)
    for text in ('{"type":"ping","id":true}', "{", '{"id":1,"x":"' + "x" * 5000 + '"}'):
        (action,) = received(known, text)
        assert isinstance(action, Reply)
        assert action.message["code"] == "rate_limited"
        assert "id" not in action.message


def test_a_client_that_ignores_its_errors_is_closed(known: Protocol) -> None:
    refused = ["error"] * MAX_REFUSALS
    assert kinds(known, 20 + MAX_REFUSALS, at=0.0) == ["pong"] * 20 + refused
    assert received(known, '{"type":"ping"}') == [Disconnect(FLOODING)]


def test_a_steady_flood_is_closed_though_some_messages_pass(known: Protocol) -> None:
    seen = [kind for n in range(1100) for kind in kinds(known, 1, at=n / 50)]  # 50 a second
    assert 100 < seen.index("rate_limited") < 1000


def test_a_client_that_slows_down_is_forgiven(known: Protocol) -> None:
    at = 0.0
    for _ in range(10):
        assert kinds(known, 60, at) == ["pong"] * 20 + ["error"] * 40
        for _ in range(60):
            at += 0.2
            assert kinds(known, 1, at) == ["pong"]
        at += 2.0


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
_NAMES = st.sampled_from([*CHANNELS, "agents", ""])
_MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from([*REQUESTS, "nonsense"]) | _JSON},
    optional={
        "id": _JSON,
        "channels": st.lists(_NAMES, max_size=5) | _JSON,
        "filters": st.dictionaries(_NAMES, _JSON, max_size=3) | _JSON,
        "since": st.dictionaries(_NAMES, st.text(max_size=20) | _JSON, max_size=3) | _JSON,
        "snapshot": st.booleans() | _JSON,
        "token": st.text() | _JSON,
        "api_key": _JSON,
    },
)


@given(text=st.text() | _JSON.map(json.dumps) | _MESSAGES.map(json.dumps), caller=st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered_with_actions_that_can_be_carried_out(text: str, caller: bool) -> None:
    actions = Protocol(a_caller() if caller else None).receive(text, NOW)
    assert len(actions) == 1
    for action in actions:
        assert isinstance(action, Reply | Authenticate | Subscribe | Unsubscribe)
        if isinstance(action, Reply):
            dumps(action.message)
            assert action.message["type"] in {"error", "pong", "subscriptions"}
