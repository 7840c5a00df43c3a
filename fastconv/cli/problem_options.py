"""Options that say which convolutions a command is about, and under which filters they run.

SOURCE is the name of a layer table that ships with the package, a JSON table, or a shape such as 1x64x56x56,64x3x3,p1.
"""

from __future__ import annotations

import contextlib
import functools

import click

from ..problem import DTYPES, MEMORY_FORMATS
from ..report.tables import load_layers, table_names
from ..selection.options import PRECISIONS, config
from ..threads import get_num_threads, num_threads

__all__ = ["SOURCE_HELP", "TABLE_OPTION", "filters", "layers_of", "problem_options", "settings_of"]

SOURCE_HELP = f"SOURCE: {', '.join(table_names())}, a JSON table of layers, or a shape such as 1x64x56x56,64x3x3,p1."


def problem_options(directions):
    """Options that say which problems a source means, and under which filters they run."""
    options = [
        click.option("--direction", type=click.Choice(directions), default="forward", show_default=True),
        click.option("--dtype", type=click.Choice(DTYPES), default="float32", show_default=True),
        click.option("--format", "memory_format", type=click.Choice(MEMORY_FORMATS), default="nchw", show_default=True,
                     help="Memory format of the arrays."),
        click.option("--batch", type=click.IntRange(min=0), help="Batch size of every layer  [default: the table's]"),
        click.option("--threads", type=click.IntRange(min=1), help="[default: OMP_NUM_THREADS, else all CPUs]"),
        click.option("--precision", type=click.Choice(PRECISIONS), help="What is accurate enough.  [default: high]"),
        click.option("--workspace-limit", type=click.IntRange(min=0), help="Bytes of scratch an algorithm may use."),
        click.option("--deny", multiple=True, metavar="ALGORITHM", help="Leave an algorithm out; may be repeated."),
    ]  # fmt: skip
    return lambda command: functools.reduce(lambda f, option: option(f), reversed(options), command)


TABLE_OPTION = click.option("--only", metavar="REGEX", help="Only the layers whose 'name shape' matches.")


def layers_of(source, only, options):
    """The layers that a source means under the options."""
    keys = ("direction", "batch", "dtype", "memory_format")
    return load_layers(source, only=only, **{key: options[key] for key in keys})


@contextlib.contextmanager
def filters(options):
    """The thread count and the filters that the options ask for."""
    chosen = {key: options[key] for key in ("precision", "workspace_limit") if options[key] is not None}
    if options["deny"]:
        chosen["deny"] = options["deny"]
    with num_threads(options["threads"] or get_num_threads()), config(**chosen):
        yield


def settings_of(options):
    """The options as a record keeps them."""
    return {**options, "deny": list(options["deny"]), "threads": options["threads"] or get_num_threads()}
