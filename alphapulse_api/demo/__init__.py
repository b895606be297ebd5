"""A small trading process that replays real prices into a dashboard.

It is honest: the strategies decide on what they could know, fills and fees are booked exactly, and
the losses of 2008 are the strategies' own. `command.run` is behind ``alphapulse-api demo``.
"""
