"""Roles and permissions, as data."""

from __future__ import annotations

from typing import Final

VIEWS: Final = frozenset(
    {
        "view_metrics", "view_portfolio", "view_alerts", "view_trades", "view_agents",
        "view_system",
    }
)  # fmt: skip
ACKNOWLEDGE_ALERTS: Final = "acknowledge_alerts"
PUBLISH: Final = "publish"
MANAGE: Final = "manage"

PERMISSIONS: Final = VIEWS | {ACKNOWLEDGE_ALERTS, PUBLISH, MANAGE}

# For rows of the route table that require no single permission.
PUBLIC: Final = "public"
ANY_CALLER: Final = "any caller"

ROLES: Final = {
    "admin": PERMISSIONS,
    "operator": VIEWS | {ACKNOWLEDGE_ALERTS},
    "viewer": VIEWS,
    "api": VIEWS | {PUBLISH},
}

# The permissions that an API key can have. It has exactly those in its scopes.
KEY_SCOPES: Final = ROLES["api"]
VIEW: Final = "view"  # stands for every view_*
# Makes a webhook token, which publishes by the routes of other systems' webhooks and does nothing
# else; so it may stand in a URL. It is the only scope of its key.
WEBHOOK: Final = "webhook"
DEFAULT_KEY_SCOPES: Final = VIEWS
