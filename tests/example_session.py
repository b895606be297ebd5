"""Sessions made of the examples of the documents: every request, and every socket message."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from tests.asking import ALERT, DECISION, OBEDIENT, POINT, PORTFOLIO, SIGNAL, TRADE, Answer, ask
from tests.conftest import Server
from tests.described import Described

# What the server makes itself: another value of the same type.
MADE: Final = frozenset({
    "access_token", "checks", "connection_id", "cursor", "cursors", "expires_at", "expires_in",
    "permissions",
    "refresh_token",
})  # fmt: skip
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
# Each finds what it needs: records are made, then read, then changed.
FIRST: Final = ("updateAgent", "createTrade", "createAlert", "createSignal", "updatePortfolio")
LAST: Final = ("acknowledgeAlert", "resolveAlert", "endSilence", "deleteRule")
ALONE: Final = ("as_of",)  # parameters that do not go with the others
USER: Final = ("ann", "viewer", "correct horse battery staple")


class Asked(NamedTuple):
    """A request and its answer."""

    name: str  # of the operation
    method: str
    path: str
    filtered: bool
    answer: Answer


async def ask_all(server: Server, described: Described) -> list[Asked]:
    """Send the example of every operation, with the examples of all parameters."""
    await server.dashboard.accounts.set_user(*USER)
    admin = await server.login()
    _, token = await server.dashboard.accounts.create_api_key("tv", {"webhook"})
    in_order = sorted(
        described.operations.items(),
        key=lambda item: (
            item[1]["operationId"] in LAST,
            item[0][0] == "GET",
            item[1]["operationId"] not in FIRST,
        ),
    )
    asked = []
    for (method, path), operation in in_order:
        target, query = path.replace("{token}", token), []
        for parameter in operation["parameters"]:
            name, example = parameter["name"], parameter.get("example")
            if parameter["in"] == "path":
                target = target.replace(f"{{{name}}}", example)
            elif parameter["in"] == "query":
                assert name in ALONE or example is not None, (path, name)
                query += _values(name, example)
        answer = await ask(
            server,
            method,
            target,
            admin if operation["security"] else None,
            params=query,
            **_body(operation),
        )
        asked.append(Asked(operation["operationId"], method, target, bool(query), answer))
    return asked


async def converse(server: Server, document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Send the example of every request on one socket, while events happen.

    Returns:
        Each frame that came, after the key of the request that it follows.
    """
    messages, feed = document["components"]["messages"], server.feed
    accounts = server.dashboard.accounts
    _, api_key = await accounts.create_api_key("bot", {"view", "execute"}, agents=["momentum-1"])
    frames = []
    await feed.record_metrics(POINT)
    await feed.update_agent("momentum-1", OBEDIENT)
    await feed.send_command("momentum-1", {"id": "c-1", "name": "pause"})
    async with server.session.ws_connect(f"{server.url}/ws") as ws:
        frames.append(("", await ws.receive_json()))
        for operation in document["operations"].values():
            if "reply" not in operation:
                continue
            key = operation["messages"][0]["$ref"].rpartition("/")[2]
            message = messages[key]["examples"][0]["payload"]
            if "api_key" in message:
                message = {**message, "api_key": api_key}
            await ws.send_json(message)
            frames.append((key, await ws.receive_json()))
            if message.get("snapshot"):
                while frames[-1][1] != {"type": "snapshot_end", "channel": "trades", "count": 0}:
                    frames.append((key, await ws.receive_json()))
        everything = ["metrics", "alerts", "trades", "portfolio"]
        await ws.send_json({"type": "subscribe", "channels": everything})
        frames.append(("subscribe", await ws.receive_json()))
        await feed.record_metrics({**POINT, "value": None})
        await feed.record_trade({**TRADE, "id": "t-9"})
        await feed.raise_alert({**ALERT, "id": "a-9"})
        await feed.update_portfolio(PORTFOLIO)
        for _ in everything:
            frames.append(("event", await ws.receive_json()))
        if "portfolio_changes" not in messages:
            return frames
        changes = {"portfolio": {"positions": "changes"}}
        await ws.send_json({"type": "subscribe", "channels": ["portfolio"], "options": changes})
        frames.append(("subscribe", await ws.receive_json()))
        for cash in ("1", "2"):
            position = {"symbol": "AAPL", "quantity": "1"}
            await feed.update_portfolio({**PORTFOLIO, "cash": cash, "positions": [position]})
            frames.append(("event", await ws.receive_json()))
        if "decision" not in messages:
            return frames
        further = {"trades": {"include": ["signal", "decision"]}}
        await ws.send_json({"type": "subscribe", "channels": ["trades"], "options": further})
        frames.append(("subscribe", await ws.receive_json()))
        signal = {**SIGNAL, "id": "s-9"}
        await feed.record_decision({**DECISION, "id": "d-9", "signals": [signal]})
        for _ in further["trades"]["include"]:
            frames.append(("event", await ws.receive_json()))
    return frames


def _values(name: str, example: Any) -> list[tuple[str, str]]:
    if example is None:
        return []
    if isinstance(example, list):
        return [(name, value) for value in example]
    return [(name, str(example).lower() if isinstance(example, bool) else str(example))]


def _body(operation: dict[str, Any]) -> dict[str, Any]:
    if "requestBody" not in operation:
        return {}
    kind, content = next(iter(operation["requestBody"]["content"].items()))
    if isinstance(content["example"], str):
        return {"data": content["example"].encode(), "headers": {"Content-Type": kind}}
    return {"json" if kind == "application/json" else "data": content["example"]}


def unlike(known: Any, value: Any, place: str = "") -> list[str]:
    """Where a value is not like the one that is known; it may have more fields."""
    if isinstance(known, dict) and isinstance(value, dict):
        places = [f"{place}/{name} is missing" for name in known.keys() - value.keys()]
        for name in known.keys() & value.keys():
            below = f"{place}/{name}"
            if name not in MADE:
                places += unlike(known[name], value[name], below)
            elif type(known[name]) is not type(value[name]):
                places.append(f"{below} was {known[name]!r}, is {value[name]!r}")
        return places
    if isinstance(known, list) and isinstance(value, list) and len(known) == len(value):
        pairs = enumerate(zip(known, value, strict=True))
        return [at for index, pair in pairs for at in unlike(*pair, f"{place}/{index}")]
    if known == value or all(isinstance(v, str) and _TIME.fullmatch(v) for v in (known, value)):
        return []
    return [f"{place} was {known!r}, is {value!r}"]
