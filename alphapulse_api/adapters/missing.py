"""The error for a library that an adapter needs and that is not installed."""

from __future__ import annotations


def missing(package: str, error: ModuleNotFoundError) -> ImportError:
    """What to raise, `from None`, if the import of an adapter's library fails.

    Args:
        package: what pip installs; its import name is the same, but for hyphens.
        error: what the import raised.

    Returns:
        One line with the pip command; or the error itself, if the library is there and something
        that it needs is not.
    """
    name = package.replace("-", "_")
    if error.name != name:
        return error
    return ImportError(
        f"alphapulse_api.adapters.{name} needs the package {package}, which is not installed: "
        f"pip install {package}",
        name=name,
    )
