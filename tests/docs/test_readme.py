"""What the README says works as it stands there (its demo and test commands run in CI)."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import aiohttp
import pytest

from tests.code_blocks import code_blocks
from tests.conftest import Server

LOCAL = "http://127.0.0.1:"
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECONDS = 60


def blocks(mark: str) -> list[str]:
    """The code blocks under `<!-- mark -->`."""
    return code_blocks(README, mark)


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is free and, bound by us without listening, stays so until it is used."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Commands of this environment, and nothing of the user's."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    # The environment that runs the tests, in the place where the README makes one.
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AP_") and k != "VIRTUAL_ENV"}
    ours = str(Path(sys.executable).parent)
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != ours)
    return {**kept, "PATH": path, "AP_ADMIN_PASSWORD": "not the random one"}


async def run(code: list[str], directory: Path, environment: dict[str, str]) -> str:
    """The output of a program that ends well."""
    process = await asyncio.create_subprocess_exec(
        *code,
        cwd=directory,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_embedding_blocks_run(
    tmp_path: Path, port: int, environment: dict[str, str]
) -> None:
    for block in blocks("embed"):
        code = block.replace("8080", str(port))
        await run([sys.executable, "-W", "error", "-c", code], tmp_path, environment)


async def test_the_server_of_the_readme_answers_its_commands(
    tmp_path: Path, port: int, environment: dict[str, str]
) -> None:
    (alone,) = blocks("alone")
    talk = "".join(blocks("talk")).replace("--count 1\nAP", f"--count 1 --url {LOCAL}8080\nAP")
    script = f"""
        set -euo pipefail
        (. .venv/bin/activate; exec {alone.replace("8080", str(port)).strip()} 2> serve.log) &
        trap 'kill -TERM %1; wait %1' EXIT
        until grep -q serving serve.log; do kill -0 %1; read -t 0.05 < <(:) || true; done
        {talk.replace("8080", str(port)).replace("curl ", "curl -sS --fail-with-body ")}
    """
    out = await run(["bash", "-c", script], tmp_path, environment)
    assert '"symbol":"AAPL"' in out
    assert "id,order_id,client_order_id,symbol" in out
    assert '"access_token":"' in out
    assert "trade " in out


async def test_the_workers_of_the_readme_serve(
    tmp_path: Path, port: int, environment: dict[str, str], postgres_url: str, redis_url: str
) -> None:
    (block,) = blocks("scale")
    install, *lines = block.strip().splitlines()
    # The extra is there, and what it names is in this environment, which is not to be changed.
    (extra,) = re.findall(r'pip install -q "\.\[(\w+)\]"', install)
    needed = [name for name in requires("alphapulse-api") or () if f'extra == "{extra}"' in name]
    assert {re.split(r"[^\w-]", name)[0] for name in needed} >= {"asyncpg", "redis", "gunicorn"}
    own = {
        "postgresql://dashboard@127.0.0.1/alphapulse": postgres_url,
        "redis://127.0.0.1:6379/0": redis_url,
    }
    script = "set -euo pipefail\n" + "\n".join([*lines[:-1], f"exec {lines[-1]}"])
    for theirs, ours in own.items():
        assert theirs in script
        script = script.replace(theirs, f"'{ours}'")
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script,
        cwd=tmp_path,
        env={**environment, "AP_PORT": str(port)},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    said = b""
    async with asyncio.timeout(SECONDS):
        while said.count(b"Booting worker") < 2:
            line = await process.stderr.readline()
            assert line, said.decode()
            said += line
        reading = asyncio.create_task(process.stderr.read())
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{LOCAL}{port}/readyz") as response,
        ):
            assert await response.json() == {
                "status": "ok", "checks": {"database": "ok", "redis": "ok"}, "migrating": {},
            }  # fmt: skip
        process.terminate()
        assert await process.wait() == 0
        assert b"Traceback" not in said + await reading


async def test_the_client_block_runs(server: Server) -> None:
    (block,) = blocks("client")
    await server.feed.record_trade(
        {"symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20"}
    )
    _, key = await server.dashboard.accounts.create_api_key("screen")
    code = f"{block}\nasyncio.run(main({server.url!r}, {key!r}))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    assert out.decode() == "AAPL 10 187.20\n"


async def test_the_configuration_check_prints_what_is_in_force(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (check,) = blocks("configure")
    out = await run(["bash", "-c", check], tmp_path, environment)
    assert "requests_per_minute: 120" in out


def test_the_files_that_the_readme_names_are_there() -> None:
    for target in re.findall(r'(?:\]\(|\bsrc="|\bsrcset=")([\w./-]+)[)"]', README):
        assert (ROOT / target).exists(), target
