"""Messages about made-up alerts."""

from __future__ import annotations

from typing import Any

from alphapulse_api.notify.message import Message, Told, in_order
from tests.engines import at


def alert(title: str = "Drawdown", **fields: Any) -> dict[str, Any]:
    return {
        "id": title, "title": title, "message": "", "severity": "error", "source": "risk",
        "rule_id": None, "tags": [], "metadata": {}, "book": "main", "status": "active",
        "created_at": at(0), **fields,
    }  # fmt: skip


def message(*alerts: dict[str, Any], link: str = "", group: str = "") -> Message:
    told = in_order([Told(one, ("raised",)) for one in alerts or (alert(),)])
    return Message("msg_1", "phone", group, told, link)
