"""Maps other systems' words for the severity of an alert to ours."""

from __future__ import annotations

from typing import Any, Final

DEFAULT: Final = "warning"
_WORDS: Final = {
    "critical": ("critical", "crit", "fatal", "emergency", "emerg", "disaster", "page", "p1"),
    "error": ("error", "err", "major", "high", "p2"),
    "warning": ("warning", "warn", "minor", "medium", "average", "p3"),
    "info": ("info", "information", "informational", "notice", "low", "debug", "none", "p4", "p5"),
}
_SEVERITIES: Final = {word: severity for severity, words in _WORDS.items() for word in words}


def severity_of(word: Any) -> str:
    """Our severity for a word of theirs, in any case; `warning` for an unknown word or none."""
    return _SEVERITIES.get(word.strip().lower(), DEFAULT) if isinstance(word, str) else DEFAULT
