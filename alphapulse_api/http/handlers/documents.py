"""The API documents and Swagger UI, all served from the installation."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.http.handlers.static import StaticFile, answer_file
from alphapulse_api.http.pipeline.client import client_scheme
from alphapulse_api.http.route import ROWS
from alphapulse_api.http.spec.asyncapi import asyncapi_document
from alphapulse_api.http.spec.openapi import at_server, openapi_template

# The OpenAPI document without the server's URL; made when it is first asked for.
OPENAPI: Final[web.AppKey[dict[str, Any]]] = web.AppKey("openapi", dict)

# The package that follows Swagger UI's releases most closely. Only its files are used: finding them
# imports neither it nor Flask.
UI_PACKAGE: Final = "flask_swagger_ui"
# The files that the page loads; nothing else of the folder is served.
UI_FILES: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
# Swagger UI sets inline styles and data: images; scripts come only from this server.
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
<link rel="stylesheet" href="docs/start.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
""",
)
# Clients have no id or secret here, so the form's fields for them are hidden.
STYLE: Final = StaticFile(
    "start.css",
    b""".swagger-ui .auth-container .wrapper:has(> label[for^=client_id_]),
.swagger-ui .auth-container .wrapper:has(> label[for^=client_secret_]),
.swagger-ui .auth-container .wrapper:has(> label[for=password_type]) { display: none; }
""",
)
START: Final = StaticFile(
    "start.js",
    b"""const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
const url = new URL("../openapi.json", document.currentScript.src).href;
const server = url.slice(0, url.lastIndexOf("/"));
// The page knows where it is, also behind a proxy that the server does not trust.
const here = (answer) => {
  if (answer.url === url) {
    const spec = JSON.parse(answer.text);
    spec.servers = [{ url: server }];
    spec.components.securitySchemes.password.flows.password.tokenUrl = `${server}/token`;
    answer.text = JSON.stringify(spec);
  }
  return answer;
};
window.ui = SwaggerUIBundle({
  url,
  responseInterceptor: here,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
""",
)
OWN_FILES: Final = {"start.css": STYLE, "start.js": START}


async def openapi(request: web.Request) -> web.StreamResponse:
    """The OpenAPI document of the HTTP routes."""
    made = request.app[OPENAPI]
    if not made:
        rows = request.app[ROWS].values()

        async def make() -> dict[str, Any]:
            # Some 20 ms, in Python: a thread takes turns with the loop.
            return await asyncio.to_thread(openapi_template, rows)

        made.update(await request.app[BACKEND].single_flight.once(id(made), make))
    return _json(dumps(at_server(made, _server(request, "/openapi.json"))))


async def asyncapi(request: web.Request) -> web.StreamResponse:
    """The AsyncAPI document of the socket."""
    return _json(dumps(asyncapi_document(_server(request, "/asyncapi.json"))))


async def swagger_ui(request: web.Request) -> web.StreamResponse:
    """Swagger UI on the OpenAPI document."""
    return await answer_file(request, PAGE, policy=POLICY)


async def swagger_file(request: web.Request) -> web.StreamResponse:
    """A file of Swagger UI."""
    name = request.match_info["file"]
    if name in OWN_FILES:
        return await answer_file(request, OWN_FILES[name], policy=POLICY)
    if name not in UI_FILES:
        raise NotFound("There is nothing at this path.")
    return await answer_file(request, _ui_file(name), policy=POLICY)


@cache
def _ui_file(name: str) -> StaticFile:
    spec = find_spec(UI_PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (folder,) = spec.submodule_search_locations
    return StaticFile(name, (Path(folder) / "dist" / name).read_bytes())


def _server(request: web.Request, path: str) -> str:
    """The URL by which the client reached this service."""
    return f"{client_scheme(request)}://{request.host}{request.path.removesuffix(path)}"


def _json(document: bytes) -> web.Response:
    return web.Response(
        body=document,
        headers={"Content-Type": "application/json", "Cache-Control": "no-cache"},
    )
