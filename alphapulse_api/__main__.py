"""`python -m alphapulse_api`."""

from alphapulse_api.cli import main

main()
