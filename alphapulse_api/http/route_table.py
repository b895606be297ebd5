"""Every route of the service, one row each. There are no other routes."""

from __future__ import annotations

from typing import Final

from alphapulse_api.http.routes import (
    agents,
    alerts,
    audit,
    auth,
    books,
    commands,
    console,
    decisions,
    documents,
    metrics,
    notifications,
    pnl,
    portfolio,
    probes,
    receivers,
    rules,
    socket,
    system,
    trades,
    usage,
    webhooks,
)

ROWS: Final = (
    *probes.ROWS,
    *auth.ROWS,
    *metrics.ROWS,
    *receivers.ROWS,
    *portfolio.ROWS,
    *books.ROWS,
    *alerts.ROWS,
    *notifications.ROWS,
    *rules.ROWS,
    *trades.ROWS,
    *pnl.ROWS,
    *decisions.ROWS,
    *usage.ROWS,
    *commands.ROWS,
    *agents.ROWS,
    *system.ROWS,
    *audit.ROWS,
    *webhooks.ROWS,
    *socket.ROWS,
    *documents.ROWS,
    *console.ROWS,
)
