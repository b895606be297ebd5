"""What server and client share: pure rules about values, with no import of either."""
