"""Webhook tokens: what they may do, where they are taken, and that nothing writes them down."""

from __future__ import annotations

import logging
import zlib
from typing import Any

import aiohttp
import pytest

from alphapulse_api.auth.api_keys import make_key, parse_key
from alphapulse_api.auth.grants import AccountError
from alphapulse_api.http.pipeline.masking import masked
from tests.asking import TRADE, ask, problem
from tests.conftest import Serve, Server
from tests.socket_client import connect

PATH = "/webhooks/tradingview"
HELLO = {"message": "hello"}
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


async def _token(server: Server) -> str:
    return (await server.dashboard.accounts.create_api_key("tv", {"webhook"}))[1]


def _renamed(token: str, prefix: str) -> str:
    """The token with another prefix, and the checksum of that."""
    text = f"{prefix}{token[3:-6]}"
    number, checksum = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(DIGITS))
        checksum = DIGITS[digit] + checksum
    return text + checksum


async def test_a_token_publishes_by_its_path_and_as_a_password(server: Server) -> None:
    token = await _token(server)
    assert token.startswith("whk_")
    for path, headers in (
        (f"{PATH}/{token}", {}),
        (PATH, {"Authorization": aiohttp.encode_basic_auth("any", token)}),
        (PATH, {"Authorization": f"Bearer {token}"}),
    ):
        answer = await ask(server, "POST", path, headers, json=HELLO)
        assert answer.status == 200, answer.body
    assert len(await server.json("/api/alerts", await server.key())) == 3


async def test_a_token_is_taken_nowhere_else(server: Server) -> None:
    token = await _token(server)
    for headers in (
        {"X-API-Key": token},
        {"Authorization": f"Bearer {token}"},
        {"X-API-Key": _renamed(token, "apk")},
        {"Authorization": f"Bearer {_renamed(token, 'apk')}"},
    ):
        problem(await ask(server, "POST", "/api/trades", headers, json=TRADE), 401)
        problem(await ask(server, "POST", "/api/v2/write", headers, data=b"a b=1"), 401)
        problem(await ask(server, "GET", "/api/me", headers), 401)
    problem(await ask(server, "POST", f"{PATH}/{_renamed(token, 'apk')}", json=HELLO), 401)
    async with connect(server) as socket:
        assert (await socket.ask(type="auth", api_key=token))["code"] == "auth_failed"
    assert await server.json("/api/alerts", await server.key()) == []


async def test_no_api_key_is_taken_in_a_path(server: Server) -> None:
    key = (await server.key("publish"))["X-API-Key"]
    for secret in (key, _renamed(key, "whk"), "nonsense", make_key("whk")[0], "whk_"):
        answer = await ask(server, "POST", f"{PATH}/{secret}", json=HELLO)
        problem(answer, 401)
        assert secret not in answer.body.decode()


async def test_a_token_beside_a_header_is_refused(server: Server) -> None:
    token, key = await _token(server), await server.key("publish")
    problem(await ask(server, "POST", f"{PATH}/{token}", key, json=HELLO), 400)


async def test_a_revoked_token_is_refused(server: Server) -> None:
    token = await _token(server)
    parsed = parse_key(token)
    assert parsed is not None
    await server.dashboard.accounts.revoke_api_key(parsed.id)
    problem(await ask(server, "POST", f"{PATH}/{token}", json=HELLO), 401)


async def test_a_token_has_no_other_scope(server: Server) -> None:
    with pytest.raises(AccountError, match="no other scope"):
        await server.dashboard.accounts.create_api_key("tv", {"webhook", "publish"})


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
async def test_nothing_writes_a_token_down(
    serve: Serve, caplog: pytest.LogCaptureFixture, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(level)
    server = await serve()
    token = await _token(server)
    admin = await server.login()
    secret = token.rpartition("_")[2]
    encoded = "".join(f"%{byte:02x}" for byte in token.encode())
    answers = [
        await ask(server, method, path, headers, **body)
        for method, path, headers, body in (
            ("POST", f"{PATH}/{token}", {}, {"json": HELLO}),
            ("POST", f"{PATH}/{token}", {}, {"json": {}}),  # 422
            ("POST", f"{PATH}/{token}", {}, {"data": b"{"}),  # 415
            ("GET", f"{PATH}/{token}", {}, {}),  # 405
            ("POST", f"{PATH}/{token}/", {}, {"json": HELLO}),  # 404
            ("POST", f"/elsewhere/{token}", {}, {"json": HELLO}),  # 404
            ("POST", f"{PATH}/{token}?{token}=1", {}, {"json": HELLO}),
            ("POST", f"{PATH}/{token}", {"Authorization": f"Bearer {token}"}, {"json": HELLO}),
            ("POST", f"{PATH}/{token}x", {}, {"json": HELLO}),  # 401
        )
    ]

    async def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("a fault of the server")

    monkeypatch.setattr(type(server.dashboard.feed), "raise_alert", fails)
    answers.append(await ask(server, "POST", f"{PATH}/{token}", json=HELLO))
    problem(answers[-1], 500)
    answers.append(await ask(server, "GET", "/metrics", admin))
    raw = aiohttp.client.URL(f"{server.url}{PATH}/{encoded}", encoded=True)
    async with server.session.post(raw, json=HELLO) as response:
        assert response.status in (401, 500)
    written = [answer.body.decode() + str(answer.headers) for answer in answers[:6]]
    written += [answer.body.decode() for answer in answers[7:]]
    written += [caplog.text, *(str(vars(record)) for record in caplog.records)]
    for text in written:
        assert secret not in text
        assert encoded[-30:] not in text
    assert "/webhooks/tradingview/whk_***" in caplog.text
    assert "/webhooks/tradingview/{token}" in answers[-1].body.decode()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/trades/a%20b", "/api/trades/a%20b"),
        ("/webhooks/tradingview/whk_a_b", "/webhooks/tradingview/whk_***"),
        ("/webhooks/tradingview/whk%5Fa_b/c", "/webhooks/tradingview/whk_***/c"),
        ("/%77hk_a_b", "/whk_***"),
        ("/x/APK_a_b%0d%0aX", "/x/APK_***"),
    ],
)
def test_a_secret_is_masked(path: str, shown: str) -> None:
    assert masked(path) == shown
