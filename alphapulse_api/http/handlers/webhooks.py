"""Messages that other systems post when something happens."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import UNSUPPORTED_MEDIA, Problem, ValidationProblem
from alphapulse_api.http.body import read_body
from alphapulse_api.http.pipeline.auth import CALLER
from alphapulse_api.http.receivers import alertmanager, freqtrade, tradingview
from alphapulse_api.http.route import Call

_MAX_TEXT: Final = 64 * 1024  # bytes


async def alertmanager_alerts(call: Call) -> dict[str, int]:
    """Alerts of Prometheus Alertmanager: raised, changed, resolved, opened again."""
    return await _report(call, "alertmanager")


async def grafana_alerts(call: Call) -> dict[str, int]:
    """Alerts of Grafana: raised, changed, resolved, opened again."""
    return await _report(call, "grafana")


async def tradingview_message(request: web.Request) -> web.Response:
    """A message of TradingView: a signal if it says a direction, else an alert.

    Plain text is an alert, too. Both go to the home book of the caller.
    """
    if request.content_type not in ("application/json", "text/plain"):
        raise Problem(UNSUPPORTED_MEDIA, "Send application/json or text/plain.")
    message = tradingview.message_of(await read_body(request, _MAX_TEXT))
    feed = request.app[BACKEND].views.at_home(request[CALLER]).feed
    try:
        if tradingview.is_signal(message):
            agent_id, signal = tradingview.signal_of(message)
            await feed.record_signal(agent_id, signal, extras="metadata")
        else:
            await feed.raise_alert(tradingview.alert_of(message), extras="metadata")
    except ValidationProblem as problem:
        raise tradingview.placed(problem, message) from None
    return web.Response(body=dumps({"accepted": 1}), content_type="application/json")


async def freqtrade_message(call: Call) -> dict[str, int]:
    """A message of freqtrade: an order's next state, the bot's state, or an alert."""
    await freqtrade.receive(call.view, call.body)
    return {"accepted": 1}


async def _report(call: Call, source: str) -> dict[str, Any]:
    reports = alertmanager.reports_of(call.body, source)
    try:
        await call.view.feed.report_alerts(reports)
    except ValidationProblem as problem:
        raise alertmanager.placed(problem) from None
    return {"accepted": len(reports)}
