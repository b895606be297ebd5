"""The documents of the API."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLIC
from alphapulse_api.http.handlers import documents
from alphapulse_api.http.route import Row

# fmt: off
ROWS: Final = (
    Row("GET", "/openapi.json", PUBLIC, raw=documents.openapi, tag="documents"),
    Row("GET", "/asyncapi.json", PUBLIC, raw=documents.asyncapi, tag="documents"),
    Row("GET", "/docs", PUBLIC, raw=documents.swagger_ui, media_type="text/html",
        tag="documents"),
    Row("GET", "/docs/{file}", PUBLIC, raw=documents.swagger_file, media_type="*/*",
        tag="documents"),
)
# fmt: on
