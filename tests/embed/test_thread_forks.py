"""A dashboard in a thread whose host forks: the child can use nothing of it, and holds nothing."""

from __future__ import annotations

import textwrap

import pytest

from alphapulse_api import Config
from tests.threads import (
    run_host,
    stored_trades,
)

pytestmark = pytest.mark.usefixtures("no_thread_stays")

FORKED = """
import threading, time
from urllib.request import urlopen
from alphapulse_api.domain.errors import DashboardForked

def check(name, call):
    try:
        call()
    except DashboardForked as error:
        assert "'spawn'" in str(error) and "alphapulse_api.client" in str(error), error
    else:
        raise AssertionError(name)
"""


def test_in_a_forked_child_every_call_fails_at_once_and_the_port_is_free(config: Config) -> None:
    host = run_host(
        config,
        FORKED
        + textwrap.dedent("""
        import socket
        from urllib.parse import urlsplit

        with Dashboard.in_thread(config) as feed:
            url = feed.url
            parent, child = os.pipe(), os.pipe()
            # A connection that is open at the fork must not stay open in the child.
            client = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))
            client.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            assert client.recv(12) == b"HTTP/1.1 200"
            pid = os.fork()
            if pid == 0:
                client.close()
                point = {"metric_type": "risk", "name": "var", "value": 1}
                check("trade", lambda: feed.record_trade(TRADE))
                check("points", lambda: feed.record_metrics(point, wait=False))
                check("health", feed.health)
                os.write(child[1], b"1")
                os.read(parent[0], 1)  # until the parent has looked at the port
            else:
                assert os.read(child[0], 1) == b"1"
                assert feed.record_trade(TRADE)["id"]  # the parent is not disturbed
                assert urlopen(f"{url}/healthz").status == 200
        if pid:
            client.settimeout(10)
            while client.recv(4096):  # ends, although the child lives
                pass
            client.close()
            with socket.socket() as probe:
                assert probe.connect_ex((urlsplit(url).hostname, urlsplit(url).port)) != 0
            os.write(parent[1], b"1")
            assert os.waitpid(pid, 0)[1] == 0
        """),
    )
    assert (host.returncode, host.stdout, host.stderr) == (0, "", "")
    assert stored_trades(config) == 1


def test_in_a_child_forked_from_a_loop_every_call_fails_at_once(config: Config) -> None:
    host = run_host(
        config,
        FORKED
        + textwrap.dedent("""
        import asyncio, socket
        from urllib.parse import urlsplit

        async def main():
            async with Dashboard(config) as dashboard:
                point = {"metric_type": "risk", "name": "var", "value": 1}
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        check("points", lambda: dashboard.feed.hand_over(point))
                        status = 0
                    finally:
                        os._exit(status)
                _, status = await asyncio.to_thread(os.waitpid, pid, 0)
                assert status == 0
                assert (await dashboard.feed.record_trade(TRADE))["id"]

        asyncio.run(main())
        """),
    )
    assert (host.returncode, host.stdout, host.stderr) == (0, "", "")
