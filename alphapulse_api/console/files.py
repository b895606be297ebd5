"""The console's files, and the address under which a browser may keep them for ever.

The page names its files as they lie beside it. As it is served, each name has the version in front,
a hash over all files: a new release has new addresses, and modules that import each other
relatively stay within one version. So there is nothing to build, and no file of one release ever
meets one of another.
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
    """What there is to serve.

    Attributes:
        version: of all files together.
        page: the HTML page.
        assets: what the page loads, by name.
    """

    version: str
    page: bytes
    assets: Mapping[str, bytes]


def plotly_file() -> Path | None:
    """plotly.js in the installed plotly package; None if that is not installed.

    The package is not imported: that would take a second, and nothing of it is needed.
    """
    spec = find_spec("plotly")
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        if (file := Path(folder, "package_data", PLOTLY)).is_file():
            return file
    return None


def read_files(plotly: Path) -> Files:
    """Read everything.

    Args:
        plotly: where plotly.js is.
    """
    assets = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
    page = assets.pop(PAGE).decode()
    assets[PLOTLY] = plotly.read_bytes()
    # Length and name of each: no two sets of files give the same input.
    digest = hashlib.blake2b(digest_size=8)
    for name, body in assets.items():
        digest.update(f"{name}:{len(body)}:".encode())
        digest.update(body)
    version = digest.hexdigest()

    def versioned(reference: re.Match[str]) -> str:
        attribute, name = reference.groups()
        return f'{attribute}="{version}/{name}"' if name in assets else reference[0]

    return Files(version, _REFERENCE.sub(versioned, page).encode(), assets)
