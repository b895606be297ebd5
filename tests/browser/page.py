"""The console as a person meets it: what stands there, what can be pressed, how long to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.chromium import HEIGHT, WIDTH
from tests.browser.panels import PANELS

T = TypeVar("T")

PATIENCE: Final = 20.0
POLL: Final = 0.05


class Page:
    """The console in one browser."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        driver.get(f"{url}/console/")

    def login(self, username: str, password: str) -> None:
        """Fill the form in, send it, and wait until somebody is signed in."""
        self.try_login(username, password)
        self.until(lambda: not self.count("dialog[open] #login"), "the login to go away")

    def try_login(self, username: str, password: str) -> None:
        """Fill the form in and send it."""
        self.until(lambda: self.count("dialog[open] #login"), "the login form")
        for name, value in (("username", username), ("password", password)):
            field = self.driver.find_element("css selector", f"#login input[name={name}]")
            field.clear()
            field.send_keys(value)
        self.press("#login button[type=submit]")

    def press(self, selector: str) -> None:
        """Click the first of what is found, once it is there."""
        self.until(lambda: self.count(selector), selector)
        self.driver.execute_script(
            "const it = document.querySelector(arguments[0]);"
            "it.scrollIntoView({block: 'center'}); it.click()",
            selector,
        )

    def look_at(self, selector: str) -> None:
        """Scroll there: charts are drawn where somebody looks."""
        self.driver.execute_script(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector
        )

    def point_at(self, selector: str) -> None:
        """Move the pointer to the middle of the first of what is found."""
        element = self.driver.find_element("css selector", selector)
        ActionChains(self.driver).move_to_element(element).perform()

    def drag(self, selector: str, right: int) -> None:
        """Drag the pointer from the middle of the first of what is found; in pixels."""
        element = self.driver.find_element("css selector", selector)
        hold = ActionChains(self.driver).move_to_element(element).click_and_hold()
        hold.move_by_offset(right, 0).release().perform()

    def freeze(self) -> None:
        """Stop the page's timers and events, as browsers do with pages that nobody looks at."""
        self.driver.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "frozen"})

    def thaw(self) -> None:
        """Let the page go on, and show it."""
        self.driver.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "active"})
        # Chromium hides a page that was frozen until its window is shown again.
        self.driver.minimize_window()
        self.driver.set_window_size(WIDTH, HEIGHT)

    def requests(self, ending: str) -> int:
        """How many requests went to paths that end so."""
        return int(
            self.script(
                "return performance.getEntriesByType('resource')"
                ".filter(it => new URL(it.name).pathname.endsWith(arguments[0])).length",
                ending,
            )
        )

    def count(self, selector: str) -> int:
        """How many there are."""
        return int(self.script("return document.querySelectorAll(arguments[0]).length", selector))

    def texts(self, selector: str) -> list[str]:
        """What each of them says."""
        found: list[str] = self.script(
            "return [...document.querySelectorAll(arguments[0])].map(it => it.textContent)",
            selector,
        )
        return found

    def text(self, selector: str) -> str:
        """What all of them say."""
        return "\n".join(self.texts(selector))

    def ids(self, selector: str) -> list[str]:
        """The data-id of each of them."""
        found: list[str] = self.script(
            "return [...document.querySelectorAll(arguments[0])].map(it => it.dataset.id)", selector
        )
        return found

    def script(self, code: str, *arguments: Any) -> Any:
        """What the page's own JavaScript says."""
        return self.driver.execute_script(code, *arguments)

    def module(self, code: str) -> Any:
        """What asynchronous JavaScript says that may import the console's modules."""
        return self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async () => {{ {code} }})().then(done, (error) => done(String(error)))"
        )

    def until(self, condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
        """Wait until the condition holds; what it then says."""
        try:
            return WebDriverWait(self.driver, seconds, POLL).until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"waited {seconds:g} s for {what}") from None

    def until_live(self) -> None:
        """Wait until the socket is there."""
        self.until(lambda: self.text("#connection").strip() == "live", "the socket to be live")

    def until_filled(self) -> None:
        """Wait until every panel has something."""
        for panel, selector in PANELS.items():
            self.look_at(f"#panel-{panel}")
            self.until(lambda found=selector: self.count(found), f"the panel {panel}")

    def settled(self) -> bool:
        """Whether every chart that is in view has been drawn, in the colours of the theme."""
        return bool(
            self.script(
                "const panel = getComputedStyle(document.querySelector('section')).backgroundColor;"
                "return [...document.querySelectorAll('.chart')].filter(it => {"
                "  const {top, bottom} = it.getBoundingClientRect();"
                "  return bottom > 0 && top < innerHeight;"
                "}).every(it => it.layout?.hoverlabel.bgcolor === panel)"
            )
        )
