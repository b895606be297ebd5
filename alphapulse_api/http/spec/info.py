"""The prose of both documents, which is in the Markdown files beside this module."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

TITLE: Final = "alphapulse_api"
VERSION: Final = "1"
LICENSE: Final = {"name": "MIT", "url": "https://opensource.org/license/mit"}


@cache
def words(name: str) -> str:
    """The text of a Markdown file of this folder."""
    return Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8")


def info(*texts: str) -> dict[str, Any]:
    """The info object of a document.

    Args:
        texts: the sections of its description, in Markdown.
    """
    return {
        "title": TITLE,
        "version": VERSION,
        "description": "\n".join(texts),
        "license": LICENSE,
    }
