"""How commands print: tables for people, JSON for programs, progress while something takes long."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.table import Table

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def print_json(data: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(data, indent=2))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: Collection[str] = ()
) -> None:
    """Print a table that fits the terminal; columns in `whole` are never broken, others fold."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_pairs(pairs: Mapping[str, str]) -> None:
    """Print names and values, one a line, aligned; long values are never broken."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        click.echo(f"{name:<{width}}  {value}")


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say on stderr what is going on: a spinner on a terminal, one line elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        console.print(f"{what} …", highlight=False, soft_wrap=True)
        yield
