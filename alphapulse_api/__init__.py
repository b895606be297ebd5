"""The backend of a live trading dashboard: REST, one resumable WebSocket, and a library."""

from alphapulse_api.app import create_app
from alphapulse_api.config import Config
from alphapulse_api.dashboard import Dashboard
from alphapulse_api.errors import ConfigError, Problem, StartupError
from alphapulse_api.feed import Feed

__all__ = ["Config", "ConfigError", "Dashboard", "Feed", "Problem", "StartupError", "create_app"]
__version__ = "0.1.0"
