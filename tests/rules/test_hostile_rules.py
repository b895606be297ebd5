"""Rules that cannot work are refused with a pointer; what a rule cannot bear stops it alone."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.domain.times import now, rfc3339
from alphapulse_api.rules import groups, trial
from tests.asking import ask
from tests.conftest import Server
from tests.rules.ground import RULE, alerts, point, post, until_alerts
from tests.waiting import until

WINDOWED: dict[str, Any] = {**RULE, "function": "avg", "window": "5m"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({**RULE, "threshold": "NaN"}, "/threshold"),
    "infinity": ({**RULE, "threshold": "Infinity"}, "/threshold"),
    "huge": ({**RULE, "threshold": 10**400}, "/threshold"),
    "recover NaN": ({**RULE, "recover": "NaN"}, "/recover"),
    "window 0": ({**WINDOWED, "window": "0s"}, "/window"),
    "window null": ({**WINDOWED, "window": None}, "/window"),
    "window negative": ({**WINDOWED, "window": "-5m"}, "/window"),
    "window huge": ({**WINDOWED, "window": "999999999w"}, "/window"),
    "window of other digits": ({**WINDOWED, "window": "५m"}, "/window"),
    "for huge": ({**RULE, "for": "367d"}, "/for"),
    "keep huge": ({**RULE, "keep_firing_for": "9000w"}, "/keep_firing_for"),
    "stray brace": ({**RULE, "title": "{value"}, "/title"),
    "nested braces": ({**RULE, "title": "{value:{value}}"}, "/title"),
    "attribute": ({**RULE, "title": "{value.__class__}"}, "/title"),
    "item": ({**RULE, "message": "{labels[desk]}"}, "/message"),
    "conversion": ({**RULE, "message": "{name!r}"}, "/message"),
    "wide format": ({**RULE, "message": "{value:999999999.2f}"}, "/message"),
    "empty name": ({**RULE, "message": "{}"}, "/message"),
    "no such label": ({**RULE, "group_by": ["a"], "title": "{labels.desk}"}, "/title"),
    "no threshold": ({**RULE, "threshold": None}, "/threshold"),
    "two thresholds": (
        {**RULE, "threshold_series": {"metric_type": "risk", "name": "x"}},
        "/threshold",
    ),
    "recover beyond": ({**RULE, "recover": 11}, "/recover"),
    "many labels": ({**RULE, "group_by": [str(n) for n in range(1000)]}, "/group_by"),
    "no such field": (
        {"id": "p", "name": "P", "watch": "portfolio", "field": "__class__", "operator": ">",
         "threshold": 1},
        "/field",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_a_rule_that_cannot_work_is_refused(server: Server, name: str) -> None:
    body, pointer = REFUSED[name]
    admin = await server.login()
    draft = {"rule": body, "start_time": "2026-01-01T00:00:00Z"}
    for path, sent, prefix in (("/api/rules", body, ""), ("/api/rules/test", draft, "/rule")):
        answer = await ask(server, "POST", path, admin, json=sent)
        assert answer.status == 422, answer.body
        assert prefix + pointer in [error["pointer"] for error in answer.json["errors"]]
    assert await server.json("/api/rules", admin) == []


async def test_names_are_not_patterns(server: Server) -> None:
    admin = await server.login()
    odd = r".*[a-z]+(?=x)\d$|%_"
    await post(
        server, "/api/rules",
        {**RULE, "name": odd, "metric_name": odd, "matchers": {"desk": ".*"}, "title": "{name}"},
        admin,
    )  # fmt: skip
    await server.feed.record_metrics([
        point(12, "abcx1"), point(13, odd, desk="any"), point(14, odd, desk=".*"),
    ])  # fmt: skip
    (alert,) = await until_alerts(server, admin, 1)
    assert (alert["title"], alert["metric_value"]) == (odd, 14)


async def test_null_neither_fires_nor_recovers(server: Server) -> None:
    admin = await server.login()
    await post(server, "/api/rules", RULE, admin)
    await server.feed.record_metrics([point(None)])
    await server.feed.record_metrics([point(12)])
    await server.feed.record_metrics([point(None)])
    await server.feed.record_metrics([point(13, desk="last")])
    await until_alerts(server, admin, 2)
    assert len(await alerts(server, admin, status="active")) == 2


async def test_braces_of_labels_are_text(server: Server) -> None:
    admin = await server.login()
    await post(server, "/api/rules", {**RULE, "title": "{{{labels.desk}}}"}, admin)
    await server.feed.record_metrics([point(12, desk="{value.__class__}")])
    (alert,) = await until_alerts(server, admin, 1)
    assert alert["title"] == "{{value.__class__}}"


async def test_too_many_groups_stop_one_rule_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MAX_GROUPS", 100)
    admin = await server.login()
    await post(server, "/api/rules", {**RULE, "id": "all", "threshold": 1e9}, admin)
    await post(server, "/api/rules", {**RULE, "matchers": {"desk": "100"}}, admin)
    await server.feed.record_metrics([point(12, desk=str(number)) for number in range(101)])
    await until_alerts(server, admin, 1)

    async def failed() -> bool:
        rule = await server.json("/api/rules/all", admin)
        return bool(rule["state"] == "error" and "more than 100 groups" in rule["error"])

    await until(failed)
    await server.feed.record_metrics([point(1, desk="100")])
    await until_alerts(server, admin, 1, status="resolved")


async def test_a_draft_over_all_time_is_answered(server: Server) -> None:
    admin = await server.login()
    await server.feed.record_metrics([point(12)])
    for start in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        for rule in (RULE, {**WINDOWED, "window": "366d"}):
            asked = {"rule": rule, "start_time": start, "end_time": "9999-12-31T23:59:59Z"}
            answer = await ask(server, "POST", "/api/rules/test", admin, json=asked)
            if start.startswith("9999"):
                assert answer.status == 422
            else:
                assert answer.status == 200, answer.body
                assert answer.json["fired"] == 1


async def test_a_draft_with_too_many_values_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "MAX_VALUES", 2)
    admin = await server.login()
    for value in (1, 2, 3):
        await server.feed.record_metrics([point(value)])
    asked = {"rule": RULE, "start_time": "0001-01-01T00:00:00Z"}
    answer = await ask(server, "POST", "/api/rules/test", admin, json=asked)
    assert answer.status == 422
    assert "more than 2 values" in answer.json["errors"][0]["detail"]


async def test_books_are_never_put_together(server: Server) -> None:
    admin = await server.login()
    for book, currency, mode in (("eur", "EUR", "live"), ("dry", "USD", "paper")):
        answer = await ask(
            server, "PUT", f"/api/books/{book}", admin, json={"currency": currency, "mode": mode}
        )
        assert answer.status == 200, answer.body
    total = {**RULE, "function": "sum", "window": "1h", "group_by": [], "threshold": 15}
    cash = {
        "id": "cash", "name": "C", "watch": "portfolio", "field": "cash", "function": "sum",
        "window": "1h", "group_by": [], "operator": ">", "threshold": 15,
    }  # fmt: skip
    await post(server, "/api/rules", total, admin)
    await post(server, "/api/rules", cash, admin)
    begun = now()
    await server.feed.record_metrics([
        point(10, book="eur"), point(10, book="dry"), point(10), point(9, "other"),
    ])  # fmt: skip
    for book in ("main", "eur", "dry"):
        await server.feed.update_portfolio(
            {"total_value": 10, "cash": 10, "positions": [], "as_of": now(), "book": book}
        )
    await server.feed.record_metrics([point(6, book="eur")])
    (alert,) = await until_alerts(server, admin, 1)
    assert (alert["book"], alert["metric_value"]) == ("eur", 16)
    for rule, fired in ((total, 1), (cash, 0)):
        tested = await post(
            server, "/api/rules/test", {"rule": rule, "start_time": rfc3339(begun)}, admin
        )
        assert (tested["fired"], tested["groups"]) == (fired, 3)
