"""Options shared by several commands."""

import click

CONFIG = click.option("--config", "config_path", metavar="FILE", help="YAML configuration file.")
HOST = click.option("--host", help="Address to listen on.")
PORT = click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one."
)
