"""Rollups: points folded into buckets of a minute, 15 minutes, 4 hours and a day.

`sums` adds without an error, `fold` is what is kept of a bucket, `write` stores points and decides
when they are folded, `change` keeps the rollups true, `read` answers from them, `backfill` makes
them for points that were stored before there were any.
"""
