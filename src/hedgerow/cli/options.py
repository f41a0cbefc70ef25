"""Options that several commands share."""

from pathlib import Path

import click

PORT = click.IntRange(0, 65_535)
"""A TCP port; 0 means any free one."""

data_option = click.option(
    "--data",
    required=True,
    envvar="HEDGEROW_DATA",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The cloud's data folder.",
)

root_option = click.option(
    "--root",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The core's Greengrass root folder, e.g. /greengrass.",
)
