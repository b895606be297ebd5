"""Rules: conditions on records that raise and resolve alerts by themselves."""
