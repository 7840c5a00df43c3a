"""`fastconv report train`: what a training left to look at."""

from __future__ import annotations

import click

from ..report.page import require_packages
from ..report.training_page import training_page
from ..report.training_text import format_training
from ..training import RunRecord
from .shared import require_writable, write_page

__all__ = ["report"]


@click.group()
def report():
    """Show what was recorded before."""


@report.command()
@click.argument("run", type=click.Path(exists=True, dir_okay=False))
@click.option("--html", "html_path", type=click.Path(dir_okay=False), help="Write a page with curves, one file.")
def train(run, html_path):
    """Show a training RUN: a record (fastconv train --record, fastconv.training.Recorder), a History or a Checkpoint."""
    require_writable("html", html_path)
    if html_path:
        require_packages()
    record = RunRecord.load(run)
    click.echo(format_training(record))
    if html_path:
        write_page(html_path, training_page(record))
