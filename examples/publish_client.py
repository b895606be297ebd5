"""Publish from another process over REST, with only the standard library.

    alphapulse-api api-key create bot --scope publish      # prints the key
    AP_API_KEY=apk_… python examples/publish_client.py http://127.0.0.1:8080

Every trade has an id, so repeating it after a lost answer is safe.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import urllib.error
import urllib.request
import uuid
from typing import Any


def post(url: str, key: str, path: str, record: Any, *, method: str = "POST") -> Any:
    """Send a record; retry while the server is unavailable, after the delay that it asks for."""
    body = json.dumps(record).encode()
    headers = {"Content-Type": "application/json", "X-API-Key": key}
    for attempt in range(5):
        request = urllib.request.Request(url + path, body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise SystemExit(f"{error.code}: {error.read().decode()}") from None
            wait = float(error.headers.get("Retry-After", 1))
        except urllib.error.URLError:
            wait = 0.5 * 2**attempt
        time.sleep(wait)
    raise SystemExit(f"cannot reach {url}")


def main(url: str, key: str, count: int) -> None:
    """Publish a signal, some trades, a metric for each, an alert and the portfolio."""
    post(url, key, "/api/agents/outside", {"agent_type": "demo", "state": "active"}, method="PUT")
    signal = {"symbol": "MSFT", "direction": "buy", "confidence": 0.8}
    post(url, key, "/api/agents/outside/signals", signal)
    for number in range(count):
        price = f"{400 + number}.25"
        trade = {"id": str(uuid.uuid4()), "symbol": "MSFT", "side": "buy", "quantity": "2"}
        stored = post(url, key, "/api/trades", {**trade, "price": price})
        print(f"trade {stored['id']}: {stored['quantity']} at {stored['price']}", flush=True)
        point = {"metric_type": "trade", "name": "price", "value": float(price)}
        post(url, key, "/api/metrics", {**point, "labels": {"symbol": "MSFT"}})
    post(url, key, "/api/alerts", {"title": "Published from outside", "severity": "info"})
    position = {"symbol": "MSFT", "quantity": 2 * count, "current_price": "400.25"}
    portfolio = {"total_value": "10000", "cash": "9000", "positions": [position]}
    print("portfolio as of", post(url, key, "/api/portfolio", portfolio, method="PUT")["as_of"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=10)
    given = parser.parse_args()
    # From the environment: every user of the machine can read a command line.
    main(given.url.rstrip("/"), os.environ["AP_API_KEY"], given.count)
