"""The configuration: frozen dataclasses, made from YAML with `${NAME}` from the environment."""

from alphapulse_api.config.root import Config
from alphapulse_api.config.sections import (
    AuthConfig,
    CacheConfig,
    ConsoleConfig,
    CorsConfig,
    DatabaseConfig,
    DocsConfig,
    EventsConfig,
    LoggingConfig,
    PortfolioConfig,
    RateLimitConfig,
    RetentionConfig,
    SharedSection,
    WebSocketConfig,
)

__all__ = [
    "AuthConfig",
    "CacheConfig",
    "Config",
    "ConsoleConfig",
    "CorsConfig",
    "DatabaseConfig",
    "DocsConfig",
    "EventsConfig",
    "LoggingConfig",
    "PortfolioConfig",
    "RateLimitConfig",
    "RetentionConfig",
    "SharedSection",
    "WebSocketConfig",
]
