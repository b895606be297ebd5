"""Reads TradingView's messages as alerts or signals.

A message is whatever its author typed: text, or a JSON object, in which TradingView has replaced
`{{ticker}}` and the like. An object with a `direction` or an `action` is a signal; any other is an
alert. Its fields are the API's; some have a second name, and unknown ones go to the metadata.

Source: https://www.tradingview.com/support/solutions/43000529348/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.domain.encoding import loads
from alphapulse_api.domain.errors import BAD_REQUEST, Problem, ValidationProblem
from alphapulse_api.http.json_scan import parsed
from alphapulse_api.http.receivers.alertmanager import shortened
from alphapulse_api.http.receivers.severities import severity_of
from alphapulse_api.schemas.alerts import MAX_MESSAGE, MAX_TITLE

SOURCE: Final = "tradingview"
_SIGNAL_NAMES: Final = {"ticker": "symbol", "action": "direction", "time": "timestamp"}
_ALERT_NAMES: Final = {"text": "message", "time": "created_at"}
_DIRECTIONS: Final = {"long": "buy"}  # of `{{strategy.market_position}}`

Message = Mapping[str, Any]


def message_of(body: bytes) -> Message:
    """The object of a body; text alone is its `message`.

    Raises:
        Problem: 400 for an empty body, for what is not UTF-8, and for text that begins like an
            object but is not one.
    """
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        raise Problem(BAD_REQUEST, "The body is not UTF-8.") from None
    if not text:
        raise Problem(BAD_REQUEST, "The message is empty.")
    if not text.startswith("{"):
        return {"message": text}
    message: Message = parsed(loads, text.encode())
    return message


def is_signal(message: Message) -> bool:
    """Whether the message has a direction."""
    return "direction" in message or "action" in message


def signal_of(message: Message) -> tuple[str, dict[str, Any]]:
    """The agent's id and the signal, with unknown fields, not yet validated."""
    signal = _renamed(message, _SIGNAL_NAMES)
    agent_id = signal.pop("agent_id", SOURCE)
    direction = signal.get("direction")
    if isinstance(direction, str):
        signal["direction"] = _DIRECTIONS.get(direction.strip().lower(), direction)
    return agent_id, signal


def alert_of(message: Message) -> dict[str, Any]:
    """The alert, with unknown fields, not yet validated."""
    alert = _renamed(message, _ALERT_NAMES)
    text = alert.get("message")
    if isinstance(text, str):
        alert["message"] = shortened(text, MAX_MESSAGE)
        first = (text.strip().splitlines() or [""])[0]
        alert.setdefault("title", shortened(first or "TradingView", MAX_TITLE))
    if "severity" in alert:
        alert["severity"] = severity_of(alert["severity"])
    alert.setdefault("source", SOURCE)
    return alert


def placed(problem: ValidationProblem, message: Message) -> ValidationProblem:
    """The refusal, with pointers to the names that the message uses."""
    names = _SIGNAL_NAMES if is_signal(message) else _ALERT_NAMES
    theirs = {ours: name for name, ours in names.items() if name in message and ours not in message}
    errors = []
    for error in problem.errors:
        _, *steps = error["pointer"].split("/")
        if steps:
            steps[0] = theirs.get(steps[0], steps[0])
        errors.append({**error, "pointer": "".join(f"/{step}" for step in steps)})
    count = len(errors) + int(problem.extra.get("errors_omitted", 0))
    return ValidationProblem(errors, count=count)


def _renamed(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    """The message with our names; if it has both names of a field, one goes to the metadata."""
    renamed = {}
    for name, value in message.items():
        ours = names.get(name, name)
        renamed[name if ours in message else ours] = value
    return renamed
