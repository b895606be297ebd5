"""`alphapulse-api notify test`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.commands import Here

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
YAML = """\
dashboard_api:
  notify:
    receivers:
      hook: {webhook: {url: "${HOOK}/hunter2", secret: "${KEY}"}}
      json: {urls: ["${JSON}/hunter2"]}
      wrong: {urls: ["nonsense://hunter2"]}
"""


class Taking(HTTPServer):
    """An HTTP server that takes every message, or none."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Taking)
        length = int(self.headers["Content-Length"])
        server.received.append((dict(self.headers), self.rfile.read(length)))
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def taking() -> Iterator[Taking]:
    with Taking() as server, _running(server):
        yield server


@contextmanager
def _running(server: Taking) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def env(tmp_path: Path, taking: Taking) -> dict[str, str]:
    (tmp_path / "n.yaml").write_text(YAML)
    port = taking.server_address[1]
    return {"HOOK": f"http://127.0.0.1:{port}", "JSON": f"json://127.0.0.1:{port}", "KEY": KEY}


def test_a_receiver_that_takes_it(here: Here, taking: Taking, env: dict[str, str]) -> None:
    for name in ("hook", "json"):
        done = here("notify", "test", name, "--config", "n.yaml", **env)
        assert (done.returncode, done.stdout) == (0, f"the receiver {name!r} took the message\n")
    (headers, body), _ = taking.received
    assert Webhook(KEY).verify(body, headers)["data"]["alerts"][0]["title"] == "Test message"


def test_a_receiver_that_does_not(here: Here, taking: Taking, env: dict[str, str]) -> None:
    taking.status = 503
    done = here("notify", "test", "hook", "--config", "n.yaml", **env)
    assert done.returncode == 1
    assert done.stderr == (
        "alphapulse_api: the receiver 'hook' did not take the message: HTTP 503\n"
    )
    done = here("notify", "test", "json", "--config", "n.yaml", **env)
    assert done.returncode == 1
    assert "503" in done.stderr
    assert "hunter2" not in done.stderr


def test_what_cannot_be_tried(here: Here, env: dict[str, str]) -> None:
    done = here("notify", "test", "phone", "--config", "n.yaml", **env)
    assert (done.returncode, done.stderr) == (
        1,
        "alphapulse_api: notify.receivers: there is no 'phone'; there are hook, json, wrong\n",
    )
    done = here("notify", "test", "wrong", "--config", "n.yaml", **env)
    assert done.returncode == 1
    assert "notify.receivers.wrong.urls[0]: apprise does not know" in done.stderr
    assert "hunter2" not in done.stderr


def test_config_check_shows_no_secret(here: Here, env: dict[str, str]) -> None:
    done = here("config", "check", "n.yaml", **env)
    assert done.returncode == 1
    assert "notify.receivers.wrong.urls[0]" in done.stderr
    for secret in ("hunter2", KEY, env["HOOK"]):
        assert secret not in done.stdout + done.stderr
