"""Whose rights a tool has: those of the key of this process, or of the key in the request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from alphapulse_api.client import ApiError, DashboardClient, DashboardClientError
from alphapulse_api.mcp.answers import marked

RETRIES: Final = 1  # the model can ask again
BEARER: Final = "bearer "
Call = Context[Any, Any]


class Callers:
    """Opens clients of one dashboard.

    Args:
        url: of the dashboard.
        api_key: the key of every call. Without it each call has its own, in the header `X-API-Key`,
            or in `Authorization` as a Bearer token.
    """

    def __init__(self, url: str, api_key: str | None) -> None:
        self._url = url
        self._api_key = api_key
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Callers:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def client(self, call: Call) -> AsyncIterator[DashboardClient]:
        """A client with the rights of a call; its failures become errors that the model can read.

        Raises:
            ToolError: if the call has no key, or the dashboard refuses or does not answer.
        """
        assert self._session is not None, "used outside its block"
        key = self._api_key or _key_of(call.headers)
        try:
            client = DashboardClient(self._url, api_key=key, session=self._session, retries=RETRIES)
            async with client:
                yield client
        except ApiError as refusal:
            faults = "".join(f" {fault['detail']}" for fault in refusal.errors)
            detail = marked(f"{refusal.title}: {refusal.detail}{faults}")
            raise ToolError(f"The dashboard refused ({refusal.status}): {detail}") from refusal
        except DashboardClientError as failure:
            raise ToolError("The dashboard does not answer. Try again later.") from failure
        except ValueError as fault:  # such as a key that no header can contain
            raise ToolError(marked(str(fault))) from fault


def _key_of(headers: Mapping[str, str] | None) -> str:
    given = headers or {}
    key = given.get("x-api-key")
    authorization = given.get("authorization", "")
    if key is None and authorization[: len(BEARER)].lower() == BEARER:
        key = authorization[len(BEARER) :].strip()
    if not key:
        raise ToolError("Send an API key of the dashboard in the header X-API-Key.")
    return key
