"""Loads the Lua scripts that Redis runs from the `.lua` files beside the modules that use them."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def load_lua(package: str, *names: str) -> str:
    """Return the source of a script; each combination of files is read once per process.

    Args:
        package: dotted name of the package that holds the files, usually `__package__`.
        names: file names without `.lua`; several are joined in the given order, so that scripts
            can share a prelude.

    Raises:
        FileNotFoundError: if the package holds no such file.

    Example:
        `APPEND = load_lua(__package__, "common", "append")`
    """
    folder = resources.files(package)
    return "\n".join(folder.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in names)
