"""A headless Chromium, driven by WebDriver, and what it saw."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMEDRIVER = shutil.which("chromedriver")
WIDTH, HEIGHT = 1440, 1000

# What a browser's network log is asked for, as (event, where the URL is).
_REQUESTS = {
    "Network.requestWillBeSent": lambda event: event["request"]["url"],
    "Network.webSocketCreated": lambda event: event["url"],
}


@contextmanager
def chromium(*, network_log: bool = True) -> Iterator[Chrome]:
    """A browser with a profile of its own.

    Args:
        network_log: whether it keeps what `origins_asked` wants; that costs it time.
    """
    assert CHROMIUM is not None
    assert CHROMEDRIVER is not None
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    switches = ["--headless=new", f"--window-size={WIDTH},{HEIGHT}", "--no-proxy-server"]
    switches += ["--disable-background-networking", "--force-device-scale-factor=1"]
    if os.geteuid() == 0:
        switches.append("--no-sandbox")  # Chromium's does not work for root, as in containers
    for switch in switches:
        options.add_argument(switch)
    logs = {"browser": "ALL", **({"performance": "ALL"} if network_log else {})}
    options.set_capability("goog:loggingPrefs", logs)
    driver = Chrome(options=options, service=Service(CHROMEDRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def console_faults(driver: Chrome) -> list[str]:
    """Errors on the console since the last call: exceptions, refused loads, broken policies."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def origins_asked(driver: Chrome) -> set[str]:
    """Host and port of every request and socket since the last call."""
    hosts = set()
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if (url_of := _REQUESTS.get(message["method"])) is not None:
            parts = urlsplit(url_of(message["params"]))
            if parts.scheme not in ("data", "blob", "about"):
                hosts.add(parts.netloc)
    return hosts
