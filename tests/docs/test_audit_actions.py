"""The audit page names every deed."""

from __future__ import annotations

from pathlib import Path

from alphapulse_api.domain.deeds import ACTIONS

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


def test_the_page_lists_every_action_once() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = [word for row in rows for word in row.split("|")[1].replace("`", "").split(", ")]
    actions = [word.strip() for word in named if "." in word]
    assert sorted(actions) == sorted(ACTIONS)
