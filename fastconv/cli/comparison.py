"""`fastconv compare`: every algorithm on every layer, what was saved, or two of these."""

from __future__ import annotations

import datetime
import functools
import pathlib

import click

from ..problem import DIRECTIONS
from ..report.change_page import change_page
from ..report.change_text import format_change
from ..report.changes import change
from ..report.comparing import compare as compare_layers
from ..report.comparison_page import comparison_page
from ..report.environment import describe_environment
from ..report.page import require_packages
from ..report.record import is_record, read_record
from ..report.tables import table_names
from ..report.text import format_comparison, format_heuristic
from ..selection.rates import measured_peaks
from .problem_options import SOURCE_HELP, TABLE_OPTION, filters, layers_of, problem_options, settings_of
from .shared import progress, require_writable, write_json, write_page

__all__ = ["compare"]

# The least share of rows on which the heuristic has to take the fastest algorithm or one nearly as fast.
GOOD_SHARE = 0.85
# What is asked of a comparison that was saved.
_OF_RECORDS = {"sources", "details", "json_path", "html_path", "check_heuristic"}
_OF_TWO_RECORDS = _OF_RECORDS - {"check_heuristic"}


@click.command(epilog=SOURCE_HELP)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE | RECORD | RECORD RECORD")
@problem_options((*DIRECTIONS, "train"))
@TABLE_OPTION
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), default=0.5, show_default=True, help="Time for each layer."
)
@click.option("--passes", type=click.IntRange(min=1), default=3, show_default=True,
              help="How often all layers are gone through, in this time altogether.")  # fmt: skip
@click.option("--peers", is_flag=True, help="Also time PyTorch, ONNX Runtime and OpenVINO, where installed, in turns.")
@click.option("--details", is_flag=True, help="Show every layer in full.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write the record, all figures, to a file; - is standard output.",
)
@click.option("--html", "html_path", type=click.Path(dir_okay=False), help="Write a page with figures, one file.")
@click.option("--check-heuristic", is_flag=True,
              help=f"Also print how often the heuristic picks well; exit status 1 below {GOOD_SHARE:.0%}.")  # fmt: skip
@click.pass_context
def compare(context, sources, only, seconds, passes, peers, details, json_path, html_path, check_heuristic, **options):
    """Run every algorithm on every layer and show which is fastest, by how much, and why the others are not.

    Instead of a SOURCE, a RECORD that --json or --html wrote is shown again, and two are compared: what changed beyond noise.
    """
    for option, path in (("json", json_path), ("html", html_path)):
        require_writable(option, path)
    if html_path:
        require_packages()
    if len(sources) > 2:
        raise click.UsageError(f"got {len(sources)} sources, expected one, or two records")
    if len(sources) == 2:
        _refuse_options(context, _OF_TWO_RECORDS)
    elif is_record(sources[0]):
        _refuse_options(context, _OF_RECORDS)
    if len(sources) == 2:
        _show_change(change(*map(read_record, sources), _names(*sources)), details, json_path, html_path)
        return
    if is_record(sources[0]):
        result = read_record(sources[0])
    else:
        result = _run(sources[0], only, seconds, passes, peers, bool(json_path or html_path), options)
    if json_path != "-":
        click.echo(format_comparison(result, details))
    if json_path:
        write_json(json_path, result.as_dict())
    if html_path:
        write_page(html_path, comparison_page(result))
    if check_heuristic:
        click.echo("\n" * (json_path != "-") + format_heuristic(result), err=json_path == "-")
        context.exit(0 if len(result.good_picks()) >= GOOD_SHARE * len(result.rows) else 1)


def _show_change(found, details, json_path, html_path):
    if json_path != "-":
        click.echo(format_change(found, details))
    if json_path:
        write_json(json_path, found.as_dict())
    if html_path:
        write_page(html_path, change_page(found))


def _names(before, after):
    """What two files are called: their names, or their paths where these are the same."""
    names = tuple(pathlib.Path(path).name for path in (before, after))
    return names if names[0] != names[1] else (before, after)


def _run(source, only, seconds, passes, peers, kept, options):
    layers = layers_of(source, only, options)
    with filters(options):
        # A record has what its page needs.
        peaks = measured_peaks(options["dtype"]) if kept else None
        return compare_layers(
            layers,
            # A table of one's own goes by its name, not by where it lies.
            title=source if source in table_names() or "," in source else pathlib.Path(source).stem,
            seconds=seconds,
            passes=passes,
            settings=settings_of(options) | {"seconds": seconds, "passes": passes, "source": source, "only": only},
            environment=describe_environment() | {"date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"},
            peaks=peaks,
            peers=peers,
            progress=functools.partial(progress, unit="layer"),
        )


def _refuse_options(context, known):
    """Options of a run have no meaning for what was saved."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in known
        and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: of no use with what was saved")
