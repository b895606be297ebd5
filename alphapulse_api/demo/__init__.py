"""A small trading process that replays real prices into a dashboard.

It does not embellish: the strategies see only past prices, fills and fees are booked exactly, and
the losses of 2008 are what these strategies lose. ``alphapulse-api demo`` calls `command.run`.
"""
