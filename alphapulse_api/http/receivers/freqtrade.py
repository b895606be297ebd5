"""Stores freqtrade's webhook messages, configured as docs/http.md shows, as trades and alerts.

Its messages name the trade but not the order. A trade has one open order of a kind at a time, so
the orders of a kind are numbered as they arrive: `BOT:TRADE:entry:1`. A message belongs to the last
of them if that is open, and otherwise begins the next one.

`format: json` sends each value as text, and a missing one as "None".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.errors import NotFound, ValidationProblem
from alphapulse_api.domain.orders import FILLED, FINAL, OPEN
from alphapulse_api.schemas.alerts import MAX_MESSAGE, MAX_TITLE
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.webhooks import FREQTRADE_ALERTS, FREQTRADE_ORDERS, FreqtradeMessage
from alphapulse_api.storage.stores import TradeStore
from alphapulse_api.view import View

AGENT_TYPE: Final = "freqtrade"
_MESSAGE: Final = FreqtradeMessage()
# The state of the agent by how the status text begins; any other text changes only its time.
_STATES: Final = {
    "running": "active", "paused": "inactive", "stopped": "stopped", "process died": "error",
    "reload_config": "initializing",
}  # fmt: skip
_ORDER_FIELDS: Final = ("trade_id", "pair", "direction", "amount")
_SIDES: Final = {
    ("entry", "long"): "buy", ("entry", "short"): "sell",
    ("exit", "long"): "sell", ("exit", "short"): "buy",
}  # fmt: skip
# The fields of a trade to which the message gives other names.
_NAMES: Final = {"id": "trade_id", "symbol": "pair", "quantity": "amount", "price": "rate"}

Trade = Mapping[str, Any]


async def receive(view: View, body: Mapping[str, Any]) -> None:
    """Store a message.

    Raises:
        ValidationProblem: if it is not valid, pointing into it.
        Problem: what the store raises.
    """
    given = {name: value for name, value in body.items() if value not in ("None", "", None)}
    message = load(_MESSAGE, {n: v for n, v in given.items() if n in _MESSAGE.fields})
    event, bot = message["event"], message["bot"]
    try:
        if event in FREQTRADE_ORDERS:
            extras = {n: v for n, v in given.items() if n not in _MESSAGE.fields}
            await _receive_order(view, message, extras)
        elif event in FREQTRADE_ALERTS:
            await view.feed.raise_alert(_alert(message))
        else:
            update = {"agent_type": AGENT_TYPE}
            for beginning, state in _STATES.items():
                if message.get("message", "").lower().startswith(beginning):
                    update["state"] = state
            await view.feed.update_agent(bot, update)
    except ValidationProblem as problem:
        raise _placed(problem) from None


def _alert(message: Mapping[str, Any]) -> dict[str, Any]:
    event, text = message["event"], message.get("message", "")
    first = (text.strip().splitlines() or [event.replace("_", " ")])[0]
    return {
        "title": first[:MAX_TITLE],
        "message": text[:MAX_MESSAGE],
        "severity": FREQTRADE_ALERTS[event],
        "source": message["bot"],
        "rule_id": event,
    }


async def _receive_order(view: View, message: Mapping[str, Any], extras: Mapping[str, Any]) -> None:
    kind, _, step = message["event"].partition("_")
    required = (*_ORDER_FIELDS, "rate") if step == "fill" else _ORDER_FIELDS
    if missing := [name for name in required if name not in message]:
        detail = "Missing data for required field."
        raise ValidationProblem([{"pointer": f"/{name}", "detail": detail} for name in missing])
    prefix = f"{message['bot']}:{message['trade_id']}:{kind}"
    number, last = await _last(view.trades, prefix)
    stored: Trade
    if step and last is not None and last["status"] not in FINAL:
        stored = await view.feed.record_trade(_next_state(last, step, message, extras))
    elif step == "cancel":
        return  # a partial fill is recorded already, or this is a repeat
    elif last is not None and _repeats(last, step, message):
        stored = last
    else:
        trade = _new(f"{prefix}:{number + 1}", kind, step, message, extras)
        stored = await view.feed.record_trade(trade)
    if kind == "exit" and step == "fill":
        await _record_profit(view, message, stored)


async def _last(trades: TradeStore, prefix: str) -> tuple[int, Trade | None]:
    """The number of orders of a trade and kind, and the last one."""

    async def order(number: int) -> Trade | None:
        try:
            return await trades.get_trade(f"{prefix}:{number}")
        except NotFound:
            return None

    # Doubled, then halved: each number costs a query, and a trade may have many orders.
    known, beyond, last = 0, 1, None
    while (found := await order(beyond)) is not None:
        known, last, beyond = beyond, found, 2 * beyond
    while beyond - known > 1:
        middle = (known + beyond) // 2
        if (found := await order(middle)) is not None:
            known, last = middle, found
        else:
            beyond = middle
    return known, last


def _repeats(last: Trade, step: str, message: Mapping[str, Any]) -> bool:
    """Whether the message was stored before, for example because its answer was lost."""
    rate, amount = message.get("rate"), message["amount"]
    if step == "fill":
        filled: tuple[Any, ...] = (FILLED, min(amount, last["quantity"]), rate)
        return filled == (last["status"], last["filled_quantity"], last["price"])
    placed = (OPEN, amount, None if rate is None else str(rate))
    return placed == (last["status"], last["quantity"], last["metadata"].get("rate"))


def _new(
    id_: str, kind: str, step: str, message: Mapping[str, Any], extras: Mapping[str, Any]
) -> dict[str, Any]:
    """The trade that a message begins: a new order, or the fill of an order not seen before."""
    trade = {
        "id": id_,
        "symbol": message["pair"],
        "side": _SIDES[kind, message["direction"]],
        "quantity": message["amount"],
        "order_type": message.get("order_type"),
        "agent_id": message["bot"],
        "strategy": message.get("strategy"),
    }
    if step == "fill":
        return trade | {"status": FILLED, "price": message["rate"], "metadata": dict(extras)}
    rate = {"rate": str(message["rate"])} if "rate" in message else {}
    return trade | {"status": OPEN, "metadata": {**extras, **rate}}


def _next_state(
    last: Trade, step: str, message: Mapping[str, Any], extras: Mapping[str, Any]
) -> dict[str, Any]:
    """The last order, in its state after the message."""
    trade = {name: last[name] for name in ("id", "symbol", "side", "quantity")}
    trade["metadata"] = {**last["metadata"], **extras}
    if step == "cancel":
        return trade | {"status": "cancelled"}
    # freqtrade has taken the fee from the amount of a fill, and may have rounded it up.
    filled: Decimal = min(message["amount"], last["quantity"])
    return trade | {"status": FILLED, "price": message["rate"], "filled_quantity": filled}


async def _record_profit(view: View, message: Mapping[str, Any], trade: Trade) -> None:
    """Store the profit of an exit at the trade's time, so that a repeat changes nothing."""
    labels = {"bot": message["bot"], "pair": message["pair"]}
    points = [
        {
            "metric_type": "trade",
            "name": name.removesuffix("_amount"),
            "timestamp": trade["executed_at"],
            "value": float(message[name]),
            "labels": labels,
        }
        for name in ("profit_amount", "profit_ratio")
        if name in message
    ]
    if points:
        await view.feed.record_metrics(points)


def _placed(problem: ValidationProblem) -> ValidationProblem:
    """The refusal, with pointers to the names that the message uses."""
    errors = []
    for error in problem.errors:
        step, *rest = error["pointer"].removeprefix("/").split("/")
        name = "/".join((_NAMES.get(step, step), *rest))
        errors.append({**error, "pointer": f"/{name}"})
    return ValidationProblem(errors)
