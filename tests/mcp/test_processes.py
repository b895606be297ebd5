"""The server as a process: over standard streams and over HTTP."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.commands import Here, environment
from tests.conftest import Serve
from tests.mcp.model import ask, fill, key_of, text_of


async def test_over_standard_streams_it_has_the_rights_of_the_key_in_the_environment(
    serve: Serve, tmp_path: Path
) -> None:
    server = await serve()
    await fill(server)
    process = StdioServerParameters(
        command=sys.executable,
        args=["-m", "alphapulse_api", "mcp", "--url", server.url],
        env=environment(tmp_path, AP_API_KEY=await key_of(server)),
        cwd=str(tmp_path),
    )
    async with Client(process) as client:
        assert (await ask(client, "trade", trade_id="t-1"))["symbol"] == "AAPL"


async def test_over_http_each_request_has_the_rights_of_its_own_key(
    serve: Serve, tmp_path: Path
) -> None:
    server = await serve()
    await fill(server)
    keys = await key_of(server), await key_of(server, "view_alerts")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alphapulse_api", "mcp", "--url", server.url, "--http", "0"),
        cwd=tmp_path,
        env=environment(tmp_path, AP_API_KEY=keys[0]),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        url = (await process.stderr.readline()).decode().split()[-1]
        for headers, refused in (
            ({"X-API-Key": keys[0]}, ""),
            ({"Authorization": f"Bearer {keys[0]}"}, ""),
            ({"X-API-Key": keys[1]}, "403"),
            ({}, "Send an API key"),  # the key in the environment is nobody's
            ({"X-API-Key": "apk_wrong"}, "401"),
        ):
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                result = await client.call_tool("trade", {"trade_id": "t-1"})
                assert bool(result.is_error) == bool(refused), headers
                assert refused in text_of(result)
        async with httpx2.AsyncClient() as http:  # a page whose name leads to this machine
            answer = await http.post(url, headers={"Host": "evil.example"}, json={})
            assert answer.status_code == 421
    finally:
        process.terminate()
        await process.wait()


def test_without_a_key_it_says_which_variable_to_set(here: Here) -> None:
    ended = here("mcp")
    assert ended.returncode == 1
    assert "AP_API_KEY" in ended.stderr


def test_without_the_package_it_says_what_to_install(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("alphapulse_api.mcp", "mcp."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    ended = here("mcp", AP_API_KEY="apk_x")
    assert ended.returncode == 1
    assert "pip install 'alphapulse-api[mcp]'" in ended.stderr
