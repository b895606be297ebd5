"""Routes and sockets reach records only through a view, so that none forgets the rights."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import alphapulse_api

ROOT = Path(alphapulse_api.__file__).parent


def other_ways(tree: ast.AST) -> Iterator[str]:
    """Expressions that reach the stores or the feed of the whole application."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in ("accessors", "_accessors") or (
                node.attr == "feed" and owner.lower().rstrip("]").endswith("backend")
            ):
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (name.name for name in node.names if name.name.endswith("DataAccessor"))


def test_routes_and_sockets_use_the_view() -> None:
    modules = [path for room in ("http", "sockets") for path in (ROOT / room).rglob("*.py")]
    assert len(modules) > 100
    ways = {
        str(path.relative_to(ROOT)): found
        for path in modules
        if (found := list(other_ways(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert ways == {}


def test_other_ways_are_found() -> None:
    for way in (
        "await request.app[BACKEND].feed.record_trade({})",
        "call.backend.accessors.trades",
        "self._backend.feed",
        "from alphapulse_api.storage.tables.trades import TradeDataAccessor",
    ):
        assert list(other_ways(ast.parse(way))), way
