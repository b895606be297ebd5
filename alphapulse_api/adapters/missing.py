"""The error for a missing library that an adapter needs."""

from __future__ import annotations


def missing(package: str, error: ModuleNotFoundError, adapter: str | None = None) -> ImportError:
    """The error to raise, `from None`, if the import of an adapter's library fails.

    Args:
        package: the name that pip installs; its import name has underscores for hyphens.
        error: the error that the import raised.
        adapter: the name of the adapter; default: that of the package.

    Returns:
        An error of one line with the pip command; or `error` itself, if the library is installed
        and one of its own dependencies is missing.
    """
    name = package.replace("-", "_")
    if error.name != name:
        return error
    return ImportError(
        f"alphapulse_api.adapters.{adapter or name} needs the package {package}, which is not "
        f"installed: pip install {package}",
        name=name,
    )
