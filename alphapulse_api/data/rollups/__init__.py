"""Rollups: points folded into buckets of a minute, 15 minutes, 4 hours and a day.

`sums` adds without an error, `fold` is what is kept of a bucket, `write` keeps it true, `read`
answers from it, `backfill` makes it for points that were stored before there were rollups.
"""
