"""What a message says."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from alphapulse_api.notify.masking import Mask
from alphapulse_api.notify.message import LINES, SHOWN
from alphapulse_api.notify.signing import signed_headers
from tests.engines import at
from tests.notify.messages import alert, message


def test_one_alert() -> None:
    said = message(
        alert(message="12 % below the peak.\n", severity="critical", id="a 1"),
        link="https://dashboard.example.com/console/",
    )
    assert said.title == "[CRITICAL] Drawdown"
    assert said.kind == "failure"
    assert said.text == (
        "critical: Drawdown (risk, main)\n  since 2026-03-01T12:00:00.000000Z\n"
        "  12 % below the peak.\nhttps://dashboard.example.com/console/#alert=a%201"
    )


def test_an_alert_that_somebody_has_seen_to() -> None:
    seen = alert(status="acknowledged", acknowledged_by="ann", book=None)
    assert message(seen).title == "[ACKNOWLEDGED] Drawdown"
    assert message(seen).text == (
        "acknowledged: Drawdown (risk)\n  since 2026-03-01T12:00:00.000000Z, acknowledged by ann"
    )
    over = alert(status="resolved", resolved_at=at(60), source=None, book=None)
    assert (message(over).title, message(over).kind) == ("[RESOLVED] Drawdown", "success")
    assert message(over).text == (
        "resolved: Drawdown\n"
        "  since 2026-03-01T12:00:00.000000Z, resolved 2026-03-01T12:01:00.000000Z"
    )


def test_many_alerts_are_a_list_and_numbers() -> None:
    alerts = [alert(f"n{n}", severity="info") for n in range(LINES + 3)]
    alerts += [alert("worst", severity="critical"), alert("over", status="resolved")]
    said = message(*alerts, link="https://d/console/")
    assert said.title == f"[CRITICAL] {LINES + 5} alerts, 1 of them resolved"
    lines = said.text.splitlines()
    assert lines[0] == "critical: worst (risk, main)"
    assert lines[-2:] == ["… and 5 more: 4 info, 1 resolved", "https://d/console/"]
    assert message(*[alert(f"n{n}", status="resolved") for n in range(2)]).title == (
        "[RESOLVED] 2 alerts"
    )


def test_json_has_what_the_alert_has_and_bounds() -> None:
    alerts = [alert(f"n{n}", metadata={"labels": {"team": "fx"}}) for n in range(SHOWN + 1)]
    body = json.loads(message(*alerts, link="https://d/console/", group="book=main").json("now"))
    assert body["type"] == "alerts.notification"
    assert body["timestamp"] == "now"
    data = body["data"]
    assert (data["receiver"], data["group"], data["count"]) == ("phone", "book=main", SHOWN + 1)
    assert len(data["alerts"]) == SHOWN
    first = data["alerts"][0]
    assert first["created_at"] == "2026-03-01T12:00:00.000000Z"
    assert first["labels"] == {"team": "fx"}
    assert first["causes"] == ["raised"]
    assert first["url"] == "https://d/console/#alert=n0"
    assert "metadata" not in first


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=64))
def test_signatures_are_those_of_standard_webhooks(body: bytes, key: bytes) -> None:
    text = body.decode("latin-1")
    secret = "whsec_" + base64.b64encode(key).decode()
    now = datetime.now(UTC)
    headers = signed_headers("msg_1", int(now.timestamp()), text.encode(), secret)
    later = now.replace(microsecond=0) + timedelta(0)
    assert headers["webhook-signature"] == Webhook(secret).sign("msg_1", later, text)


def test_the_example_of_the_specification() -> None:
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


PART = st.text("abcdefghijklmnop0123456789-_%", min_size=4, max_size=20).filter(
    lambda text: "%" not in text
)


@given(PART, PART, PART, PART, st.text(max_size=20))
def test_no_part_of_a_url_is_in_a_masked_text(
    user: str, password: str, host: str, token: str, around: str
) -> None:
    url = f"slack://{user}:{password}@{host}/{token}/?key={token}"
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    shown = Mask([url])(f"{around}{url}{around} {token.upper()} https://{host}/{token} {basic}")
    for part in (user, password, host, token, basic):
        assert part.lower() not in shown.lower().replace("*", "")


def test_a_masked_text_is_one_short_line() -> None:
    assert Mask(["ntfy://topic-1"])("cannot reach\n topic-1 ") == "cannot reach ********"
    assert len(Mask([])("x" * 10_000)) == 501
