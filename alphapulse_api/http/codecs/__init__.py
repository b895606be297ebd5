"""The forms that rows come and go in."""
