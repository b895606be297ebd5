"""The standard library's zstd module or its backport; None where the installation has neither."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    try:
        from backports import zstd
    except ImportError:
        zstd = None  # type: ignore[assignment]

__all__ = ["zstd"]
