"""Where a dashboard is served, and how a notebook shows it."""

from __future__ import annotations

from html import escape
from typing import NamedTuple


class Addresses(NamedTuple):
    """The URLs of a dashboard that serves HTTP.

    Attributes:
        url: the base URL, without a trailing slash.
        console_url: of the console; None if it is not installed or is switched off.
        docs_url: of the API's documentation; None if it is switched off.
    """

    url: str
    console_url: str | None
    docs_url: str | None

    @property
    def health_url(self) -> str:
        """The URL of the health check, which needs no credentials."""
        return f"{self.url}/readyz"


def served_at(addresses: Addresses | None) -> Addresses:
    """Return the addresses.

    Raises:
        RuntimeError: if there are none.
    """
    if addresses is None:
        raise RuntimeError("this dashboard does not serve")
    return addresses


def as_html(name: str, state: str, addresses: Addresses | None) -> str:
    """An HTML fragment for a notebook: the name with links, or with the state if it does not serve.

    It links to the console instead of embedding it, because the console forbids pages of other
    origins, such as the notebook, to frame it.
    """
    if addresses is None:
        return f"<div><strong>{escape(name)}</strong> {escape(state)}</div>"
    links = {
        "Console": addresses.console_url,
        "Documentation": addresses.docs_url,
        "Health": addresses.health_url,
    }
    anchors = " · ".join(_anchor(url, text) for text, url in links.items() if url is not None)
    return (
        f"<div><strong>{escape(name)}</strong> {_anchor(addresses.url, addresses.url)}"
        f"<br>{anchors}</div>"
    )


def _anchor(url: str, text: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a>'
