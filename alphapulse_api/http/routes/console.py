"""The console in the browser."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLIC
from alphapulse_api.http.handlers import console, sessions
from alphapulse_api.http.route import Row

# fmt: off
ROWS: Final = (
    Row("GET", "/", PUBLIC, raw=console.root, status=302, media_type="text/plain", tag="console"),
    Row("GET", "/console", PUBLIC, raw=console.folder, status=302, media_type="text/plain",
        tag="console"),
    Row("GET", "/console/", PUBLIC, raw=console.page, media_type="text/html", tag="console"),
    Row("GET", "/console/{file}", PUBLIC, raw=console.file, media_type="*/*", tag="console"),
    Row("GET", "/console/{version}/{file}", PUBLIC, raw=console.versioned_file, media_type="*/*",
        tag="console"),
    Row("POST", "/token/session", PUBLIC, raw=sessions.open_session, tag="console"),
    Row("DELETE", "/token/session", PUBLIC, raw=sessions.end_session, tag="console"),
)
# fmt: on
