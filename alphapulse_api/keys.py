"""Every key under which something is kept in an application, a request or a head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from multidict import istr

if TYPE_CHECKING:
    from alphapulse_api.auth.caller import Caller
    from alphapulse_api.backend import Backend
    from alphapulse_api.http.handlers.console import Console
    from alphapulse_api.http.pipeline.fast_path import FastPath
    from alphapulse_api.http.pipeline.host import Hosts
    from alphapulse_api.http.query import Question, Questions
    from alphapulse_api.http.route import Row

BACKEND: web.AppKey[Backend] = web.AppKey("backend")
# The OpenAPI document, by the path that the application is mounted at; made when it is asked for.
OPENAPI: web.AppKey[dict[str, bytes]] = web.AppKey("openapi")
ROWS: web.AppKey[dict[web.AbstractRoute, Row]] = web.AppKey("rows")
HOSTS: web.AppKey[Hosts] = web.AppKey("hosts")
FAST_PATH: web.AppKey[FastPath] = web.AppKey("fast_path")
CONSOLE: web.AppKey[Console] = web.AppKey("console")
QUESTIONS: web.AppKey[Questions] = web.AppKey("questions")

# Looked up as they are; a plain str is folded anew each time.
X_API_KEY = istr("X-API-Key")
X_REQUEST_ID = istr("X-Request-ID")

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller")
QUESTION: web.RequestKey[Question] = web.RequestKey("question")
# Headers that middlewares want on the response, whoever makes it: set before it is prepared.
HEADERS: web.RequestKey[dict[str, str]] = web.RequestKey("headers", dict)
