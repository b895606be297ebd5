"""Metric points, their series and their rollups."""
