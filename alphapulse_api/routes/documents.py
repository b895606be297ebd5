"""The documents of the service, and Swagger UI, all out of the installation."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import swagger_ui_bundle
from aiohttp import web

from alphapulse_api.docs.asyncapi import asyncapi_document
from alphapulse_api.docs.openapi import openapi_document
from alphapulse_api.encoding import dumps
from alphapulse_api.errors import NOT_FOUND, Problem
from alphapulse_api.keys import ROWS

UI: Final = Path(swagger_ui_bundle.swagger_ui_path)
# What the page loads, and nothing else of the folder.
UI_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# Swagger UI sets inline styles and data: images; scripts come from here alone.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>alphapulse_api</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START: Final = b"""window.ui = SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""


async def openapi(request: web.Request) -> web.StreamResponse:
    """The OpenAPI document of the HTTP routes."""
    prefix = request.path.removesuffix("/openapi.json")
    return _json(openapi_document(request.app[ROWS].values(), prefix or "/"))


async def asyncapi(request: web.Request) -> web.StreamResponse:
    """The AsyncAPI document of the socket."""
    prefix = request.path.removesuffix("/asyncapi.json")
    return _json(asyncapi_document(request.host, prefix))


async def swagger_ui(request: web.Request) -> web.StreamResponse:
    """Swagger UI on the OpenAPI document."""
    return _page(PAGE, "text/html; charset=utf-8")


async def swagger_file(request: web.Request) -> web.StreamResponse:
    """A file of Swagger UI."""
    name = request.match_info["file"]
    if name == "start.js":
        return _page(START, "text/javascript")
    if name not in UI_FILES:
        raise Problem(NOT_FOUND, "There is nothing at this path.")
    return _page(_ui_file(name), UI_FILES[name])


@cache
def _ui_file(name: str) -> bytes:
    return (UI / name).read_bytes()


def _page(body: bytes, content_type: str) -> web.Response:
    headers = {
        "Content-Type": content_type,
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return web.Response(body=body, headers=headers)


def _json(document: dict[str, Any]) -> web.Response:
    return web.Response(
        body=dumps(document),
        headers={"Content-Type": "application/json", "Cache-Control": "no-cache"},
    )
