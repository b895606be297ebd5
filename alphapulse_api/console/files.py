"""The console's files, and the address under which a browser may cache them forever.

The page refers to its files by relative paths. The server puts the version, a hash over all files,
in front of each name. A new release has new addresses, and modules that import each other by
relative paths stay within one version. So files of two releases never mix, without a build step.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

STATIC: Final = Path(__file__).parent / "static"
PAGE: Final = "index.html"
PLOTLY: Final = "plotly.min.js"

_REFERENCE: Final = re.compile(r'\b(src|href)="([^"]+)"')


class Files(NamedTuple):
    """The files that are served.

    Attributes:
        version: a hash over all files.
        page: the HTML of the page.
        assets: the files that the page loads, by name.
    """

    version: str
    page: bytes
    assets: Mapping[str, bytes]


def plotly_file() -> Path | None:
    """plotly.js in the installed plotly package; None if that is not installed.

    The package is not imported: that would take a second, and only this file is needed.
    """
    spec = find_spec("plotly")
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        if (file := Path(folder, "package_data", PLOTLY)).is_file():
            return file
    return None


def read_files(plotly: Path) -> Files:
    """Read all files.

    Args:
        plotly: the path of plotly.js.
    """
    assets = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
    page = assets.pop(PAGE).decode()
    assets[PLOTLY] = plotly.read_bytes()
    # The length and the name of each file: two different sets never give the same input.
    digest = hashlib.blake2b(digest_size=8)
    for name, body in assets.items():
        digest.update(f"{name}:{len(body)}:".encode())
        digest.update(body)
    version = digest.hexdigest()

    def versioned(reference: re.Match[str]) -> str:
        attribute, name = reference.groups()
        return f'{attribute}="{version}/{name}"' if name in assets else reference[0]

    return Files(version, _REFERENCE.sub(versioned, page).encode(), assets)
