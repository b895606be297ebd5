"""Coded bodies in a host's own server, which decodes most of them itself."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from alphapulse_api import Config, create_app
from tests.asking import TRADE, Answer, problem
from tests.codings import CODINGS, coded, packed
from tests.conftest import PASSWORD

LOGIN = {"grant_type": "password", "username": "admin", "password": PASSWORD}
BODY = json.dumps([TRADE] * 3).encode()
Send = Callable[[bytes, dict[str, str]], Awaitable[Answer]]


@asynccontextmanager
async def _mounted(
    config: Config, coding: str, **options: Any
) -> AsyncIterator[tuple[Send, dict[str, str]]]:
    """Posts trades in the coding; and the headers of a caller who may."""
    host = web.Application()
    host.add_subapp("/dashboard/", create_app(config))
    runner = web.AppRunner(host, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/dashboard"
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{url}/token", data=LOGIN) as response:
                admin = {"Authorization": f"Bearer {(await response.json())['access_token']}"}

            async def send(body: bytes, caller: dict[str, str]) -> Answer:
                kind = {"Content-Type": "application/json", "Content-Encoding": CODINGS[coding]}
                async with session.post(
                    f"{url}/api/trades", data=body, headers={**kind, **caller}
                ) as response:
                    return Answer(response.status, response.headers, await response.read())

            yield send, admin
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_body_is_decoded_once(
    config: Config, caplog: pytest.LogCaptureFixture, coding: str
) -> None:
    """By the host's server, or by ours if the host's does not know the coding."""
    async with _mounted(config, coding) as (send, admin):
        assert (await send(packed(BODY, coding), admin)).json == {"accepted": 3}
        for wrong in (BODY, packed(BODY, coding) + b"and more"):
            problem(await send(wrong, admin), 400)
            problem(await send(wrong, {}), 401)
        assert (await send(packed(BODY, coding), admin)).json == {"accepted": 3}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_host_may_leave_the_decoding_to_us(config: Config, coding: str) -> None:
    async with _mounted(config, coding, auto_decompress=False) as (send, admin):
        assert (await send(packed(BODY, coding), admin)).json == {"accepted": 3}
        flushed, _ = coded(BODY, coding)
        assert "cut short" in problem(await send(flushed, admin), 400)["detail"]
