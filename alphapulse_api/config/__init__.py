"""The configuration: frozen dataclasses, read from YAML with `${NAME}` from the environment."""

from alphapulse_api.config.budgets import BudgetsConfig
from alphapulse_api.config.notify import (
    MatchConfig,
    NotifyConfig,
    QuietHoursConfig,
    ReceiverConfig,
    RouteConfig,
    WebhookConfig,
)
from alphapulse_api.config.root import Config
from alphapulse_api.config.sections import (
    AuthConfig,
    ConsoleConfig,
    CorsConfig,
    DocsConfig,
    HttpConfig,
    LoggingConfig,
    PortfolioConfig,
    RateLimitConfig,
    WebSocketConfig,
)
from alphapulse_api.config.storage import (
    CacheConfig,
    DatabaseConfig,
    EventsConfig,
    RetentionConfig,
    SharedSection,
)

__all__ = [
    "AuthConfig",
    "BudgetsConfig",
    "CacheConfig",
    "Config",
    "ConsoleConfig",
    "CorsConfig",
    "DatabaseConfig",
    "DocsConfig",
    "EventsConfig",
    "HttpConfig",
    "LoggingConfig",
    "MatchConfig",
    "NotifyConfig",
    "PortfolioConfig",
    "QuietHoursConfig",
    "RateLimitConfig",
    "ReceiverConfig",
    "RetentionConfig",
    "RouteConfig",
    "SharedSection",
    "WebSocketConfig",
    "WebhookConfig",
]
