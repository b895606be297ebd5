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
from alphapulse_api.errors import NotFound
from alphapulse_api.keys import ROWS
from alphapulse_api.routes.static import StaticFile, answer_file

UI: Final = Path(swagger_ui_bundle.swagger_ui_path)
# What the page loads, and nothing else of the folder.
UI_FILES: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
# Swagger UI sets inline styles and data: images; scripts come from here alone.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PAGE: Final = StaticFile(
    "docs.html",
    b"""<!doctype html>
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
""",
)
START: Final = StaticFile(
    "start.js",
    b"""window.ui = SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
""",
)


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
    return await answer_file(request, PAGE, policy=POLICY)


async def swagger_file(request: web.Request) -> web.StreamResponse:
    """A file of Swagger UI."""
    name = request.match_info["file"]
    if name != "start.js" and name not in UI_FILES:
        raise NotFound("There is nothing at this path.")
    return await answer_file(
        request, START if name == "start.js" else _ui_file(name), policy=POLICY
    )


@cache
def _ui_file(name: str) -> StaticFile:
    return StaticFile(name, (UI / name).read_bytes())


def _json(document: dict[str, Any]) -> web.Response:
    return web.Response(
        body=dumps(document),
        headers={"Content-Type": "application/json", "Cache-Control": "no-cache"},
    )
