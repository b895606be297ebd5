"""The client: REST calls, a stream that reconnects and resumes, and both for synchronous code.

It shares `alphapulse_api.domain` with the server. Beyond that it relies only on the contract.
"""

from alphapulse_api.client.client import DashboardClient
from alphapulse_api.client.conversation import Event, StreamGap
from alphapulse_api.client.errors import ApiError, DashboardClientError, StreamError, Unreachable
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.stream import EventStream
from alphapulse_api.client.sync import SyncDashboardClient, SyncStream, stream

__all__ = [
    "ApiError",
    "DashboardClient",
    "DashboardClientError",
    "Event",
    "EventStream",
    "Rows",
    "StreamError",
    "StreamGap",
    "SyncDashboardClient",
    "SyncStream",
    "Unreachable",
    "stream",
]
