"""`fastconv compare | tune | explain | calibrate`: the algorithms of convolution.

SOURCE is the name of a layer table that ships with the package, a JSON table, or a shape such as 1x64x56x56,64x3x3,p1.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys

import click

from ..functional import plan
from ..problem import DIRECTIONS, DTYPES, MEMORY_FORMATS, ConvProblem
from ..report.comparison import compare as compare_layers
from ..report.environment import describe_environment
from ..report.tables import load_layers, table_names
from ..report.text import format_comparison, format_heuristic, format_seconds, format_table
from ..selection import calibration, heuristic
from ..selection.calibrate import calibrate as calibrate_machine
from ..selection.options import EFFORTS, PRECISIONS, config, get_config
from ..selection.tune import autotune
from ..threads import get_num_threads, num_threads
from .shared import progress, require_writable, write_json, writing

__all__ = ["calibrate", "compare", "explain", "tune"]

# The least share of rows on which the heuristic has to take the fastest algorithm or one nearly as fast.
GOOD_SHARE = 0.85
SOURCE_HELP = f"SOURCE: {', '.join(table_names())}, a JSON table of layers, or a shape such as 1x64x56x56,64x3x3,p1."


def _problem_options(directions):
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


_TABLE_OPTION = click.option("--only", metavar="REGEX", help="Only the layers whose 'name shape' matches.")


@click.command(epilog=SOURCE_HELP)
@click.argument("source")
@_problem_options((*DIRECTIONS, "train"))
@_TABLE_OPTION
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), default=0.5, show_default=True, help="Time for each layer."
)
@click.option("--details", is_flag=True, help="Show every layer in full.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write the figures to a file; - is standard output.",
)
@click.option("--check-heuristic", is_flag=True,
              help=f"Also print how often the heuristic picks well; exit status 1 below {GOOD_SHARE:.0%}.")  # fmt: skip
@click.pass_context
def compare(context, source, only, seconds, details, json_path, check_heuristic, **options):
    """Run every algorithm on every layer and show which is fastest, by how much, and why the others are not."""
    layers = _layers(source, only, options)
    require_writable("json", json_path)
    with _filters(options):
        result = compare_layers(
            layers,
            title=source,
            seconds=seconds,
            settings=_settings(options) | {"seconds": seconds, "source": source},
            environment=describe_environment(),
            progress=functools.partial(progress, unit="layer"),
        )
    if json_path != "-":
        click.echo(format_comparison(result, details))
    if json_path:
        write_json(json_path, result.as_dict())
    if check_heuristic:
        click.echo("\n" * (json_path != "-") + format_heuristic(result), err=json_path == "-")
        context.exit(0 if len(result.good_picks()) >= GOOD_SHARE * len(result.rows) else 1)


@click.command(epilog=SOURCE_HELP)
@click.argument("source")
@_problem_options((*DIRECTIONS, "train"))
@_TABLE_OPTION
@click.option(
    "--time-budget", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Stop measuring after this time."
)
@click.option(
    "--lock", "lock_path", type=click.Path(dir_okay=False), help="Write the plans to a file that can be committed and replayed."
)
def tune(source, only, time_budget, lock_path, **options):
    """Measure the layers and remember the plans for this machine."""
    layers = _layers(source, only, options)
    require_writable("lock", lock_path)
    problems = list(dict.fromkeys(layer.problem for layer in layers))
    with _filters(options):
        tuned = autotune(problems, time_budget=time_budget, lock=lock_path, progress=sys.stderr.isatty())
    choices = dict(zip(problems, tuned, strict=True))
    rows = [_tuned_row(layer, choices[layer.problem]) for layer in layers]
    click.echo(format_table(["layer", "shape", "direction", "algorithm", "because", "time"], rows, "lllll"))
    if lock_path:
        click.echo(f"\nplans written to {lock_path}")


@click.command()
@click.argument("shape")
@_problem_options(DIRECTIONS)
@click.option("--effort", type=click.Choice(EFFORTS), help="How the plan is found.  [default: cached]")
@click.option("--lock", "lock_path", type=click.Path(dir_okay=False), help="A file of plans that come before all others.")
def explain(shape, effort, lock_path, **options):
    """Show the plan for a SHAPE such as 1x64x56x56,64x3x3,p1: the algorithm, and why it and not another."""
    changes = {} if options["batch"] is None else {"batch": options["batch"]}
    problem = ConvProblem.parse(
        shape, direction=options["direction"], dtype=options["dtype"], memory_format=options["memory_format"]
    ).replace(**changes)
    with _filters(options), config(lock=lock_path):
        click.echo(str(plan(problem, effort=effort).explain()))


@click.command()
@click.option(
    "--time-budget", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Start no problem after this time."
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write the constants to a file too; - is standard output.",
)
def calibrate(time_budget, json_path):
    """Fit the cost models to this machine, in about two minutes; best on a machine that does nothing else.

    The constants are kept in the cache folder, for the instruction set in use (FASTCONV_ISA).
    """
    require_writable("json", json_path)
    found = calibrate_machine(time_budget=time_budget, progress=functools.partial(progress, unit="problem"))
    with writing("cache folder", calibration.path(get_config())):
        calibration.save(found.constants, get_config())
    constants = dataclasses.asdict(found.constants)
    if json_path:
        write_json(json_path, constants)
    if json_path == "-":
        return
    rows = [[name.replace("_", " "), f"{value:.4g}"] for name, value in constants.items() if name != "factors"]
    click.echo(format_table(["constant", "measured"], rows, "l"))
    click.echo(
        f"\npicks within {heuristic.GOOD_PICK} times the fastest on {found.problems} problems: "
        f"{found.before:.0%} before, {found.after:.0%} after"
    )
    click.echo(f"kept in {calibration.path(get_config())}")


def _tuned_row(layer, choice):
    problem, name = layer.problem, choice.algorithm.name
    measured = choice.record.measured[name].seconds if choice.record else None
    return [layer.name, str(problem), problem.direction, name, choice.source, format_seconds(measured)]


def _layers(source, only, options):
    keys = ("direction", "batch", "dtype", "memory_format")
    return load_layers(source, only=only, **{key: options[key] for key in keys})


@contextlib.contextmanager
def _filters(options):
    """The thread count and the filters that the options ask for."""
    chosen = {key: options[key] for key in ("precision", "workspace_limit") if options[key] is not None}
    if options["deny"]:
        chosen["deny"] = options["deny"]
    with num_threads(options["threads"] or get_num_threads()), config(**chosen):
        yield


def _settings(options):
    return {**options, "deny": list(options["deny"]), "threads": options["threads"] or get_num_threads()}
