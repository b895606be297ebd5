"""Trading engines and telemetry, connected to a feed in one line; a small module for each.

Import the module you need. The rest of the package imports none of them, so that the library that
one is for need not be installed otherwise.
"""
