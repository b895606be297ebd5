"""The HTTP server below the application: connections, their limits, and what the parser refuses."""

from alphapulse_api.http.server.listen import listen
from alphapulse_api.http.server.runner import Runner

__all__ = ["Runner", "listen"]
