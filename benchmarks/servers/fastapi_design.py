"""The design's endpoint as an ordinary FastAPI team writes it.

A router, the bearer token verified with PyJWT on every request, a permission dependency, and
an in-memory TTL cache of the points (the data, as in the design, not the encoded bytes).
Timestamps are strings already, so that formatting them takes no time.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import jwt
import uvicorn
from cachetools import TTLCache
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..harness import announce
from ..points import read_points

SECRET = secrets.token_hex(32)
ALGORITHM = "HS256"
ROLE_PERMISSIONS = {
    "admin": {"view_metrics", "view_alerts", "view_portfolio", "view_trades", "manage"},
    "viewer": {"view_metrics", "view_alerts", "view_portfolio", "view_trades"},
}

security = HTTPBearer()
router = APIRouter(prefix="/api", tags=["metrics"])
cache: TTLCache[tuple[object, ...], list[dict[str, Any]]] = TTLCache(maxsize=1024, ttl=300)
stored_points = read_points(sys.argv[1])


def create_token(username: str, role: str) -> str:
    now = int(time.time())
    claims = {"sub": username, "role": role, "iat": now, "exp": now + 3600}
    return jwt.encode(claims, SECRET, algorithm=ALGORITHM)


async def get_current_user(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(security)],
) -> dict[str, Any]:
    try:
        return jwt.decode(credentials.credentials, SECRET, algorithms=[ALGORITHM])
    except jwt.PyJWTError as error:
        raise HTTPException(401, "Invalid token") from error


def require_permission(permission: str) -> Callable[..., Any]:
    async def check(user: Annotated[dict[str, Any], Depends(get_current_user)]) -> dict[str, Any]:
        if permission not in ROLE_PERMISSIONS.get(user["role"], set()):
            raise HTTPException(403, "Not permitted")
        return user

    return check


async def query_points(metric_type: str, name: str | None, limit: int) -> list[dict[str, Any]]:
    """The stand-in for the database; called once, then the cache answers."""
    return [
        point
        for point in stored_points
        if point["metric_type"] == metric_type and name in (None, point["name"])
    ][:limit]


@router.get("/metrics/{metric_type}")
async def get_metrics(
    metric_type: str,
    user: Annotated[dict[str, Any], Depends(require_permission("view_metrics"))],
    start_time: datetime | None = None,
    end_time: datetime | None = None,
    name: str | None = None,
    aggregation: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10000)] = 1000,
) -> list[dict[str, Any]]:
    key = (metric_type, start_time, end_time, name, aggregation, limit)
    points = cache.get(key)
    if points is None:
        points = await query_points(metric_type, name, limit)
        cache[key] = points
    return points


class AnnouncingServer(uvicorn.Server):
    """uvicorn, announced once it listens."""

    async def startup(self, *args: Any, **kwargs: Any) -> None:
        await super().startup(*args, **kwargs)
        port = self.servers[0].sockets[0].getsockname()[1]
        announce(port, create_token("bench", "viewer"))


def main() -> None:
    app = FastAPI(title="Dashboard API")
    app.include_router(router)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        http="httptools",
        workers=1,
        access_log=False,
        log_level="warning",
    )
    AnnouncingServer(config).run()


if __name__ == "__main__":
    main()
