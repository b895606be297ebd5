"""The console as it is served: whole, compressed, kept, held to a policy, below any prefix."""

from __future__ import annotations

import gzip
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
from aiohttp.compression_utils import ZSTDDecompressor

from alphapulse_api import Config, create_app
from alphapulse_api.config import ConsoleConfig, DatabaseConfig
from alphapulse_api.console import files
from alphapulse_api.http.handlers.static import CONTENT_TYPES
from tests.asking import Answer, ask, problem
from tests.commands import serving
from tests.conftest import Serve, Server

PATHS = ("/console", "/console/", "/console/plotly.min.js", "/console/0/plotly.min.js")
# What a page or a module makes a browser load, in the forms the console uses.
LOADS = re.compile(r'(?:\b(?:src|href)=|\bfrom |\bimport |\bnew URL\()"((?:\./)?[\w./-]+\.\w+)"')
DECODERS = {"gzip": gzip.decompress, "zstd": lambda body: ZSTDDecompressor().decompress_sync(body)}


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python sees it where plotly is not installed."""
    monkeypatch.setitem(sys.modules, "plotly", None)


async def _everything(session: aiohttp.ClientSession, page_url: str) -> dict[str, Answer]:
    """The page and all that it loads, directly or not, by address."""
    waiting, found = [page_url], dict[str, Answer]()
    while waiting:
        url = waiting.pop()
        if url in found:
            continue
        async with session.get(url) as response:
            found[url] = Answer(response.status, response.headers, await response.read())
        if response.content_type in ("text/html", "text/javascript") and "plotly" not in url:
            text = found[url].body.decode()
            waiting += [urljoin(url, name) for name in LOADS.findall(text)]
    return found


@pytest.mark.parametrize("base_path", ["", "/desk"])
async def test_the_page_loads_only_files_that_may_be_kept_for_ever(
    serve: Serve, base_path: str
) -> None:
    server = await serve(base_path=base_path)
    loaded = await _everything(server.session, f"{server.url}/console/")
    page = loaded.pop(f"{server.url}/console/")
    assert page.headers["Cache-Control"] == "no-cache"
    versions = {url.removeprefix(f"{server.url}/console/").split("/")[0] for url in loaded}
    assert len(versions) == 1, loaded.keys()
    for url, answer in loaded.items():
        assert answer.status == 200, url
        assert "immutable" in answer.headers["Cache-Control"], url
        assert answer.headers["Content-Type"] == CONTENT_TYPES[Path(url).suffix], url
    # Every file there is is loaded: none is forgotten in the folder.
    names = {path.name for path in files.STATIC.iterdir()} - {files.PAGE} | {files.PLOTLY}
    assert {url.rsplit("/")[-1] for url in loaded} == names


async def test_everything_is_held_to_the_policy(server: Server) -> None:
    for answer in (await _everything(server.session, f"{server.url}/console/")).values():
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "connect-src 'self'" in policy
        assert "unsafe-eval" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_a_browser_that_has_a_file_gets_a_304(server: Server) -> None:
    for path in ("/console/", "/console/plotly.min.js", "/docs"):
        first = await ask(server, "GET", path)
        known = {"If-None-Match": first.headers["ETag"]}
        again = await ask(server, "GET", path, headers=known)
        assert (again.status, again.body) == (304, b""), path
        assert again.headers["ETag"] == first.headers["ETag"]
        assert "Content-Security-Policy" in again.headers
        # The same file in another form is not the one it has.
        plain = await ask(server, "GET", path, headers={**known, "Accept-Encoding": "identity"})
        assert plain.status == (200 if "Content-Encoding" in first.headers else 304), path


async def test_plotly_is_compressed_as_the_browser_takes_it(server: Server) -> None:
    plotly = files.plotly_file()
    assert plotly is not None
    whole = plotly.read_bytes()
    async with aiohttp.ClientSession(auto_decompress=False) as server.session:
        for coding, decode in DECODERS.items():
            asked = {"Accept-Encoding": coding}
            answer = await ask(server, "GET", "/console/plotly.min.js", headers=asked)
            assert answer.headers["Content-Encoding"] == coding
            assert "Accept-Encoding" in answer.headers["Vary"]
            assert len(answer.body) < len(whole) / 3
            assert decode(answer.body) == whole
        plain = await ask(
            server, "GET", "/console/plotly.min.js", headers={"Accept-Encoding": "identity"}
        )
        assert "Content-Encoding" not in plain.headers
        assert plain.body == whole
        nothing = {"Accept-Encoding": "identity;q=0, *;q=0"}
        problem(await ask(server, "GET", "/console/plotly.min.js", headers=nothing), 406)


async def test_nothing_else_of_the_disk_is_served(server: Server) -> None:
    page = (await ask(server, "GET", "/console/")).body.decode()
    (version,) = set(re.findall(r'(?:src|href)="(\w+)/', page))
    for name in ("index.html", "..%2ffiles.py", "%2e%2e%2ffiles.py", "nothing.js", "%00", "."):
        for path in (f"/console/{name}x", f"/console/{version}/{name}x"):
            problem(await ask(server, "GET", path), 404)
    problem(await ask(server, "GET", f"/console/{version}/..%2f..%2ffiles.py"), 404)
    problem(await ask(server, "GET", "/console/0123456789abcdef/plotly.min.js"), 404)
    problem(await ask(server, "POST", "/console/"), 405)


def test_another_file_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "STATIC", tmp_path)
    plotly = tmp_path.parent / "plotly.js"
    plotly.write_text("plotly")
    (tmp_path / "index.html").write_text('<script src="a.js"></script><a href="b.js">a.js</a>')
    (tmp_path / "a.js").write_text("1")
    one = files.read_files(plotly)
    assert one.page == f'<script src="{one.version}/a.js"></script><a href="b.js">a.js</a>'.encode()
    assert one.assets == {"a.js": b"1", files.PLOTLY: b"plotly"}
    assert files.read_files(plotly) == one
    plotly.write_text("plotly 2")
    two = files.read_files(plotly)
    (tmp_path / "a.js").write_text("2")
    assert len({one.version, two.version, files.read_files(plotly).version}) == 3


async def test_the_root_leads_to_the_console(
    config: Config, serve: Serve, aiohttp_client: Any, tmp_path: Path
) -> None:
    server = await serve(base_path="/desk")
    for path in ("/", "/console"):
        async with server.request("GET", path) as response:
            assert str(response.url) == f"{server.url}/console/"
            assert response.content_type == "text/html"
    host = aiohttp.web.Application()
    own = DatabaseConfig(url=f"sqlite:///{tmp_path}/mounted.db")
    host.add_subapp("/dashboard/", create_app(replace(config, database=own)))
    client = await aiohttp_client(host)
    async with client.get("/dashboard/") as response:
        assert response.url.path == "/dashboard/console/"
        assert response.status == 200
    loaded = await _everything(client.session, str(response.url))
    assert {answer.status for answer in loaded.values()} == {200}


@pytest.mark.usefixtures("not_installed")
async def test_without_the_extra_it_says_what_to_install(server: Server) -> None:
    for path in PATHS:
        answer = await ask(server, "GET", path)
        assert 'pip install "alphapulse-api[console]"' in problem(answer, 404)["detail"], path
    assert problem(await ask(server, "GET", "/"), 404)["detail"] == "There is nothing at this path."
    assert server.dashboard.console_url is None


async def test_the_console_can_be_switched_off(serve: Serve) -> None:
    server = await serve(console=ConsoleConfig(enabled=False))
    for path in ("/", *PATHS):
        detail = problem(await ask(server, "GET", path), 404)["detail"]
        assert detail == "There is nothing at this path."
    assert server.dashboard.console_url is None
    assert "/console/" not in (await ask(server, "GET", "/openapi.json")).json["paths"]


async def test_serve_says_where_the_console_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert f"console at {server.url}/console/" in server.said
