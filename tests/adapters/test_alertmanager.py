"""Alerts sent by Alertmanager, which is Debian's package `prometheus-alertmanager`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.adapters.processes import ended
from tests.conftest import Serve, Server
from tests.waiting import SECONDS, until

LISTENING = re.compile(rb'msg="Listening on" address=(\S+)')


@asynccontextmanager
async def _alertmanager(server: Server, folder: Path) -> AsyncIterator[str]:
    """A running Alertmanager that posts to the server; yields its address."""
    key = (await server.key("publish"))["X-API-Key"]
    (folder / "alertmanager.yml").write_text(f"""\
route: {{receiver: dashboard, group_wait: 1ms, group_interval: 100ms, repeat_interval: 1h}}
receivers:
- name: dashboard
  webhook_configs:
  - url: {server.url}/webhooks/alertmanager
    max_alerts: 1000
    http_config: {{authorization: {{credentials: {key}}}}}
""")
    process = await asyncio.create_subprocess_exec(
        "prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data", "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with ended(process):
        assert process.stderr is not None
        async with asyncio.timeout(SECONDS):
            while not (found := LISTENING.search(line := await process.stderr.readline())):
                assert line, "it ended before it listened"
        yield f"http://{found[1].decode()}"


async def test_alertmanager_raises_resolves_and_raises_again(serve: Serve, tmp_path: Path) -> None:
    server = await serve()
    reader = await server.key()

    async def arrived(status: str, since: str = "") -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            found[:] = [
                alert
                for alert in await server.json("/api/alerts", reader)
                if alert["status"] == status and alert["created_at"] > since
            ]
            return bool(found)

        await until(there)
        return found[0]

    labels = {"alertname": "Drawdown", "severity": "critical", "desk": "crypto"}
    alert = {"labels": labels, "annotations": {"summary": "Drawdown above 10 %"}}
    async with _alertmanager(server, tmp_path) as address:

        async def post(**times: datetime) -> None:
            body = [{**alert, **{name: time.isoformat() for name, time in times.items()}}]
            async with server.session.post(f"{address}/api/v2/alerts", json=body) as answer:
                assert answer.status == 200, await answer.text()

        began = datetime.now(UTC) - timedelta(minutes=10)
        await post(startsAt=began)
        fired = await arrived("active")
        assert (fired["title"], fired["severity"]) == ("Drawdown above 10 %", "critical")
        assert fired["metadata"]["labels"] == labels
        await post(startsAt=began, endsAt=began + timedelta(minutes=5))
        resolved = await arrived("resolved")
        assert resolved["id"] == fired["id"]
        await post(startsAt=began + timedelta(minutes=6))
        again = await arrived("active", since=fired["created_at"])
        assert again["id"] == fired["id"]
    assert len(await server.json("/api/alerts", reader, start_time="2000-01-01T00:00:00Z")) == 1
