"""Rules about values that server and client share; imports neither of them."""
