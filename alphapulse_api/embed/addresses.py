"""Where a dashboard is served, and how a notebook shows it."""

from __future__ import annotations

from html import escape
from typing import NamedTuple


class Addresses(NamedTuple):
    """The URLs of a dashboard that is served.

    Attributes:
        url: the base URL, without a slash at its end.
        console_url: of the console; None if it is not installed or is switched off.
        docs_url: of the API's documentation; None if it is switched off.
    """

    url: str
    console_url: str | None
    docs_url: str | None

    @property
    def health_url(self) -> str:
        """Of the answer that says whether every part works; anybody may read it."""
        return f"{self.url}/readyz"


def served_at(addresses: Addresses | None) -> Addresses:
    """The addresses, which must be there.

    Raises:
        RuntimeError: if they are not.
    """
    if addresses is None:
        raise RuntimeError("this dashboard does not serve")
    return addresses


def as_html(name: str, state: str, addresses: Addresses | None) -> str:
    """An HTML fragment for a notebook: the name, and links instead of the state if it is served.

    There are only links: the console forbids pages of other origins to frame it, and the notebook
    is one.
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
