"""The backend of a live trading dashboard: REST, one resumable WebSocket, and a library.

The names are imported when they are first used: a program that wants only the client
(`alphapulse_api.client`) does not load the server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alphapulse_api.domain.version import VERSION

if TYPE_CHECKING:
    from alphapulse_api.app import create_app
    from alphapulse_api.config import Config
    from alphapulse_api.dashboard import Dashboard
    from alphapulse_api.domain.errors import ConfigError, Problem, StartupError
    from alphapulse_api.record.feed import Feed

__all__ = ["Config", "ConfigError", "Dashboard", "Feed", "Problem", "StartupError", "create_app"]
__version__ = VERSION

_HOMES = {
    "Config": "config",
    "ConfigError": "domain.errors",
    "Dashboard": "dashboard",
    "Feed": "record.feed",
    "Problem": "domain.errors",
    "StartupError": "domain.errors",
    "create_app": "app",
}


def __getattr__(name: str) -> Any:
    """The public names, each from the module it lives in (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
