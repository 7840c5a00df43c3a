"""`fastconv show-versions`."""

from __future__ import annotations

import click

from ..algorithms import names
from ..report.environment import describe_environment
from .shared import write_json

__all__ = ["show_versions"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show_versions(as_json):
    """Show versions, BLAS, instruction sets, processor, threads and the environment: what a bug report needs."""
    found = describe_environment() | {"algorithms": ", ".join(names())}
    if as_json:
        write_json("-", found)
        return
    width = max(map(len, found))
    for name, value in found.items():
        click.echo(f"{name:{width}}  {value}")
