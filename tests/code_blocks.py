"""Code out of the documents, to be run as it stands there."""

from __future__ import annotations

import re


def code_blocks(page: str, mark: str) -> list[str]:
    """The code blocks under `<!-- mark -->`, of which there is one at least."""
    found = re.findall(rf"<!-- {mark} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    assert found, mark
    return found
