"""Who may do what: roles and permissions as data."""

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

# Rows of the route table that ask for no single permission.
PUBLIC: Final = "public"
ANY_CALLER: Final = "any caller"

ROLES: Final = {
    "admin": PERMISSIONS,
    "operator": VIEWS | {ACKNOWLEDGE_ALERTS},
    "viewer": VIEWS,
    "api": VIEWS | {PUBLISH},
}

# What an API key may be given; what it is given is its scopes, and it may do nothing else.
KEY_SCOPES: Final = ROLES["api"]
VIEW: Final = "view"  # stands for every view_*
DEFAULT_KEY_SCOPES: Final = VIEWS
