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
MANAGE_RULES: Final = "manage_rules"
PUBLISH: Final = "publish"
MANAGE: Final = "manage"
CONTROL: Final = "control"  # send agents the commands of the level basic
CONTROL_FULL: Final = "control_full"  # and those of the level full

EXECUTE: Final = "execute"  # take the commands of named agents; only keys have it

PERMISSIONS: Final = VIEWS | {
    ACKNOWLEDGE_ALERTS, CONTROL, CONTROL_FULL, MANAGE, MANAGE_RULES, PUBLISH,
}  # fmt: skip

# For rows of the route table that require no single permission.
PUBLIC: Final = "public"
ANY_CALLER: Final = "any caller"

ROLES: Final = {
    "admin": PERMISSIONS,
    "operator": VIEWS | {ACKNOWLEDGE_ALERTS, CONTROL, MANAGE_RULES},
    "viewer": VIEWS,
    "api": VIEWS | {PUBLISH},
}

# The permissions that an API key can have. It has exactly those in its scopes.
KEY_SCOPES: Final = ROLES["api"] | {EXECUTE}
VIEW: Final = "view"  # stands for every view_*
# Makes the key a webhook token. It can only publish, through the webhook routes, so it may appear
# in a URL. A key with this scope has no other.
WEBHOOK: Final = "webhook"
DEFAULT_KEY_SCOPES: Final = VIEWS
