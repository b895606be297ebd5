"""Rollups: points folded into buckets of a minute, 15 minutes, 4 hours and a day.

`sums` adds without rounding errors, `fold` defines a rollup, `write` stores points and decides when
they are folded, `change` updates the rollups, `read` answers from them, and `backfill` makes them
for points that are older than rollups.
"""
