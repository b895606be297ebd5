"""The command line."""

from alphapulse_api.cli.commands import main

__all__ = ["main"]
