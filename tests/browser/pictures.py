"""The pictures of the README, taken of the demo: `AP_PICTURES=docs tox -e browser`."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.page import Page

WIDTH, HEIGHT = 1280, 1240
TRADES = 150  # by then there is something to see in every panel
CYCLE_SECONDS = 110.0
METRICS = ("daily_return", "total_return")  # beside what is shown anyway


def take_pictures(page: Page, folder: Path) -> None:
    """Save console-light.png and console-dark.png in the folder."""
    shown = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shown)
    page.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    page.until(lambda: page.count("#trades tbody tr") >= TRADES, "enough trades", CYCLE_SECONDS)
    for name in METRICS:
        page.press(f"#metric-names input[value={name}]")
    for theme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        page.until_filled()
        page.script("scrollTo(0, 0)")
        # The charts above are drawn in their new colours once they are looked at.
        page.until(page.settled, "the charts to be drawn")
        page.until(lambda: page.count("#metrics-chart .trace") == 1 + len(METRICS), "all the lines")
        shot = page.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        (folder / f"console-{theme}.png").write_bytes(base64.b64decode(shot["data"]))
