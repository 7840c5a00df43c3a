"""The command line, one group of commands a file.

comparison     compare: the algorithms side by side
convolutions   tune, explain, calibrate: choosing among them
training       train, predict: networks
report         report train: what a training left to look at
claims         claims: the guide's performance claims, measured
versions       show-versions

Results go to standard output; progress and errors to standard error. A `FastconvError` is one line there and exit status 2.
"""

from __future__ import annotations

import click

from ..errors import FastconvError
from .claims import claims
from .comparison import compare
from .convolutions import calibrate, explain, tune
from .report import report
from .training import predict, train
from .versions import show_versions

__all__ = ["main"]


class _Commands(click.Group):
    def invoke(self, context):
        try:
            return super().invoke(context)
        except FastconvError as error:
            click.echo(f"fastconv: {' '.join(str(error).split())}", err=True)
            context.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="fastconv")
def main():
    """Convolutional networks on the CPU: training them, and which algorithm is fastest for each layer, and why."""


for _command in (compare, tune, explain, calibrate, train, predict, report, claims, show_versions):
    main.add_command(_command)
