"""Tables that follow from the records, and that `alphapulse-api rebuild` makes anew."""
