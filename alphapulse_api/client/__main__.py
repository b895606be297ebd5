"""`python -m alphapulse_api.client`."""

from alphapulse_api.client.cli import main

main(prog_name="python -m alphapulse_api.client")
