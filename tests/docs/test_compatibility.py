"""docs/compatibility.md promises what the API documents promise."""

from __future__ import annotations

from pathlib import Path

from alphapulse_api.http.spec.info import words

PAGE = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")


def test_the_page_and_the_documents_promise_the_same() -> None:
    heading, promises = words("compatibility").split("\n\n", 1)
    assert heading == "## Compatibility"
    assert promises in PAGE
