"""conf/nginx.conf as it stands, run by a real nginx: the console, its socket and the prefix."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme
from yarl import URL

from tests.conftest import Serve

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CONF = Path(__file__).parents[2] / "conf" / "nginx.conf"
PREFIX = "/dashboard"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def _configuration(folder: Path, port: int, upstream: str) -> str:
    """The file, with what names another machine replaced, each exactly once."""
    text = CONF.read_text()
    for theirs, ours in {
        "/var/log/nginx/access.log": f"{folder}/access.log",
        "server 127.0.0.1:8080": f"server {upstream}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/dashboard.example.com.pem": f"{folder}/server.pem",
        "/etc/ssl/dashboard.example.com.key": f"{folder}/server.key",
    }.items():
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, ours)
    # Where nginx was built to write as root; a test may be neither root nor alone.
    paths = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {\n", f"http {{\n{paths}", 1)
    return f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr notice;\n{text}"


@asynccontextmanager
async def _proxied(folder: Path, upstream: str) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """nginx in front of `upstream`: its URL, and who to trust."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(folder / "server.pem", append=True)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with socket.socket() as held:
        # Ours until nginx, which also sets SO_REUSEADDR, listens on it.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        (folder / "nginx.conf").write_text(_configuration(folder, port, upstream))
        assert NGINX is not None
        nginx = await asyncio.create_subprocess_exec(
            NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr",
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert nginx.stderr is not None
        said = b""
        async with asyncio.timeout(20):
            while b"start worker process" not in said:
                line = await nginx.stderr.readline()
                assert line, said.decode()
                said += line
        reading = asyncio.create_task(nginx.stderr.read())
        try:
            yield f"https://127.0.0.1:{port}{PREFIX}", trust
        finally:
            nginx.terminate()
            await reading
            await nginx.wait()


async def test_the_console_and_its_socket_work_behind_nginx(serve: Serve, tmp_path: Path) -> None:
    server = await serve(base_path=PREFIX, trusted_proxies=("127.0.0.1",))
    upstream = URL(server.url)
    async with (
        _proxied(tmp_path, f"{upstream.host}:{upstream.port}") as (url, trust),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
    ):
        async with session.get(f"{url}/") as response:
            assert str(response.url) == f"{url}/console/"
            page = await response.text()
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        for name in re.findall(r'(?:src|href)="(\w+/[\w.]+)"', page):
            async with session.get(f"{url}/console/{name}") as response:
                assert response.status == 200, name
                assert "immutable" in response.headers["Cache-Control"], name
        async with session.get(
            f"{url}/console/plotly.min.js", headers={"Accept-Encoding": "gzip"}
        ) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert len(await response.read()) > 1_000_000
        # A browser names the page's origin: behind TLS it is https, and the server's own.
        caller = await server.key()
        origin = str(URL(url).origin())
        async with session.ws_connect(f"{url}/ws", headers=caller, origin=origin) as ws:
            assert (await ws.receive_json())["type"] == "welcome"
            assert (await ws.receive_json())["type"] == "authenticated"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(f"{url}/ws", origin="https://elsewhere.example")
